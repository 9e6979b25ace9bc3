/** A leaf, or a record or list of trees: how functions of many values take and give them. */
export type Tree<T> = T | readonly Tree<T>[] | { readonly [key: string]: Tree<T> };

/** The tree type with every leaf `From` replaced by `To`. */
export type MapTree<T, From, To> = T extends From ? To : { [K in keyof T]: MapTree<T[K], From, To> };

/** Replaces every leaf, in order; `R` is the tree type that the caller knows to come out. */
export function mapTree<R>(tree: unknown, isLeaf: (x: unknown) => boolean, f: (leaf: never) => unknown): R {
  const walk = (node: unknown): unknown => {
    if (isLeaf(node)) return f(node as never);
    if (Array.isArray(node)) return node.map(walk);
    return Object.fromEntries(Object.entries(node as object).map(([key, child]) => [key, walk(child)]));
  };
  return walk(tree) as R;
}

/** All leaves, in order. */
export function leaves<T>(tree: unknown, isLeaf: (x: unknown) => x is T): T[] {
  return isLeaf(tree) ? [tree] : Object.values(tree as object).flatMap((child) => leaves(child, isLeaf));
}
