/** Returns `length` unpredictable bytes (seeded ones in the simulator). */
export type RandomBytes = (length: number) => Uint8Array
