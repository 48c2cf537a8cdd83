/** A queue of numbered events by time (a binary heap). */
export class Queue {
  private readonly times: number[] = [];
  private readonly things: number[] = [];

  push(time: number, thing: number): void {
    let at = this.times.length;
    this.times.push(time);
    this.things.push(thing);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.times[parent]! <= time) break;
      this.swap(at, parent);
      at = parent;
    }
  }

  pop(): { readonly time: number; readonly thing: number } | undefined {
    const time = this.times[0];
    const thing = this.things[0];
    if (time === undefined || thing === undefined) return undefined;
    const lastTime = this.times.pop()!;
    const lastThing = this.things.pop()!;
    if (this.times.length === 0) return { time, thing };
    this.times[0] = lastTime;
    this.things[0] = lastThing;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      if (left >= this.times.length) break;
      const right = left + 1;
      const child = right < this.times.length && this.times[right]! < this.times[left]! ? right : left;
      if (this.times[child]! >= this.times[at]!) break;
      this.swap(at, child);
      at = child;
    }
    return { time, thing };
  }

  private swap(a: number, b: number): void {
    [this.times[a], this.times[b]] = [this.times[b]!, this.times[a]!];
    [this.things[a], this.things[b]] = [this.things[b]!, this.things[a]!];
  }
}
