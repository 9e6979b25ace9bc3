/** A row of a file, where it lies. */
export interface Row {
  /** What error messages call it: the file and its line, or its number where a file has no lines. */
  readonly where: string;
  /** Where its bytes are, to read it again. */
  readonly offset: number;
  readonly size: number;
  /** What it holds. @throws InputError when that cannot be read. */
  value(): unknown;
}

/** A file of rows: read once from front to back, and then any row again by where it lies. */
export interface RowFile {
  readonly path: string;
  /** Whether its rows are pieces of one text, and records as they are. */
  readonly isText?: boolean;
  /**
   * All rows in order, as many at a time as are read together; those of the first scan can be read again.
   *
   * @throws InputError when the file cannot be read as what it is.
   */
  scan(): AsyncIterable<readonly Row[]>;
  /** The value of a row that the scan has found. */
  read(offset: number, size: number): Promise<unknown>;
  close(): Promise<void>;
}
