// Several newest-first lists read as one: the pages of every tenant, merged by time.

/** Rows come by `next`; a source that fails is left out and stands in `faults`. */
export class MergedFeed {
  /**
   * @param {Array<{id: string, fetch: (cursor: string) => Promise<{data: object[], has_more?: boolean, next_cursor?: string}>}>} sources
   * @param {(row: object) => string} timeOf an RFC 3339 time
   */
  constructor(sources, timeOf) {
    this.timeOf = timeOf;
    this.faults = [];
    this.lanes = sources.map((source) => ({ source, rows: [], cursor: "", done: false }));
  }

  get exhausted() {
    return this.lanes.every((lane) => lane.done && lane.rows.length === 0);
  }

  /** At most `count` more rows, newest first. */
  async next(count) {
    const taken = [];
    while (taken.length < count) {
      await Promise.all(this.lanes.map((lane) => this.#fill(lane)));
      const newest = this.#newestLane();
      if (!newest) break;
      taken.push(newest.rows.shift());
    }
    return taken;
  }

  #newestLane() {
    const filled = this.lanes.filter((lane) => lane.rows.length > 0);
    return filled.reduce((best, lane) => (best && this.#at(best) >= this.#at(lane) ? best : lane), null);
  }

  #at(lane) {
    return Date.parse(this.timeOf(lane.rows[0]));
  }

  async #fill(lane) {
    while (!lane.done && lane.rows.length === 0) {
      try {
        const page = await lane.source.fetch(lane.cursor);
        lane.rows.push(...page.data);
        lane.cursor = page.next_cursor ?? "";
        lane.done = !page.has_more || !lane.cursor;
      } catch (error) {
        if (error.name === "AbortError") throw error;
        this.faults.push({ id: lane.source.id, error });
        lane.done = true;
      }
    }
  }
}
