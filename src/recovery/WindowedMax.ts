/**
 * The maximum over the last `length` ticks of any clock, in constant space (Kathleen Nichols' filter): keeps the best
 * three values in order of age, so that there is a successor when the best leaves the window.
 */
export class WindowedMax {
  private readonly values: [number, number, number] = [0, 0, 0]
  private readonly times: [number, number, number] = [0, 0, 0]

  get best(): number {
    return this.values[0]
  }

  update(value: number, time: number, length: number): void {
    const { values, times } = this
    if (value >= values[0] || time - times[2] > length) {
      this.put(0, value, time)
      this.put(1, value, time)
      this.put(2, value, time)
      return
    }
    if (value >= values[1]) {
      this.put(1, value, time)
      this.put(2, value, time)
    } else if (value >= values[2]) {
      this.put(2, value, time)
    }
    // The best has left the window: the others move up, and the newest value becomes the third best.
    while (time - times[0] > length) {
      this.put(0, values[1], times[1])
      this.put(1, values[2], times[2])
      this.put(2, value, time)
    }
    // No second best for a quarter of the window, or no third for half of it: take a recent value.
    if (times[1] === times[0] && time - times[1] > length / 4) {
      this.put(1, value, time)
      this.put(2, value, time)
    } else if (times[2] === times[1] && time - times[2] > length / 2) {
      this.put(2, value, time)
    }
  }

  private put(index: 0 | 1 | 2, value: number, time: number): void {
    this.values[index] = value
    this.times[index] = time
  }
}
