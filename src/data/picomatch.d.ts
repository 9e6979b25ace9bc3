declare module "picomatch" {
  /** Makes a test of whether a path fits one of the patterns. */
  export default function picomatch(patterns: string | readonly string[]): (path: string) => boolean;
}
