/** Code that may take the place of a cell's, when the user says so. No editor is needed here. */

export interface Source {
  getSource(): string;
  setSource(value: string): void;
}

export type Outcome = "applied" | "changed" | "gone";

/** What a cell was when it was read, and what it would be. */
export class Proposal {
  private readonly source: Source;
  readonly before: string;
  readonly code: string;
  private readonly isGone: () => boolean;

  constructor(source: Source, before: string, code: string, isGone: () => boolean) {
    this.source = source;
    this.before = before;
    this.code = code;
    this.isGone = isGone;
  }

  /** Change the cell, in one edit, if it is still what was read. */
  apply(): Outcome {
    if (this.isGone()) {
      return "gone";
    }
    if (this.source.getSource() !== this.before) {
      return "changed";
    }
    this.source.setSource(this.code);
    return "applied";
  }
}
