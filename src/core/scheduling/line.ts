/** A place in a line; whoever joined keeps it to leave by. */
export interface Place<T> {
  readonly item: T;
  /** The line's own business: the neighbours in its ring. */
  ahead: Place<T> | Ends<T>;
  behind: Place<T> | Ends<T>;
}

interface Ends<T> {
  readonly item: undefined;
  ahead: Place<T> | Ends<T>;
  behind: Place<T> | Ends<T>;
}

/**
 * A line that is joined at its end and left from anywhere, each in constant time. (An array moves what is behind a gap,
 * and a Map walks over the gaps at its front: with thousands in the line both made a start slow.)
 */
export class Line<T> {
  readonly #ends: Ends<T>;

  constructor() {
    const ends = { item: undefined } as Ends<T>;
    ends.ahead = ends;
    ends.behind = ends;
    this.#ends = ends;
  }

  get first(): T | undefined {
    return this.#ends.behind.item;
  }

  join(item: T): Place<T> {
    const place: Place<T> = { item, ahead: this.#ends.ahead, behind: this.#ends };
    place.ahead.behind = place;
    this.#ends.ahead = place;
    return place;
  }

  /** Once for each place. */
  leave(place: Place<T>): void {
    place.ahead.behind = place.behind;
    place.behind.ahead = place.ahead;
  }
}
