/** A line that all nodes remember. */
export interface SharedLine {
  readonly key: string;
  /** Another one, and higher, for each change. */
  readonly version: number;
  /** null: it is gone. */
  readonly line: string | null;
}

/** Whether it was written, and what is there now. */
export interface Written { readonly written: boolean; readonly version: number; readonly line: string | null }

/** Where lines are that all nodes remember. Each operation rejects where nobody can tell whether it was done. */
export interface RecordStore {
  /** `base`: the version it was made from, 0 where there was none: it is not written where there is another one now; null: it is written whatever is there. */
  write(key: string, base: number | null, line: string | null): Promise<Written>;
  /** What a server that has lost its memory is given anew; of two versions the higher one stands. */
  restore(lines: readonly (SharedLine & { readonly line: string })[]): Promise<void>;
  /** Everything that is there, some at a time. */
  all(): AsyncIterable<readonly SharedLine[]>;
  /** The last change so far. */
  last(): Promise<string>;
  /** Changes behind that one, in their order; none where there was none for a while. */
  changes(after: string): Promise<{ readonly last: string; readonly lines: readonly SharedLine[] }>;
  /** The process of the server: another one may have forgotten things. */
  process(): Promise<string>;
}
