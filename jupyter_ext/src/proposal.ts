/** Proposed code for a cell, applied only on request. Independent of the editor. */

export interface Source {
  getSource(): string;
  setSource(value: string): void;
}

export type Outcome = "applied" | "changed" | "gone";

/** A cell's code when it was read, and the proposed code. */
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

  /** Replace the cell's code in one edit, unless it has changed since it was read. */
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
