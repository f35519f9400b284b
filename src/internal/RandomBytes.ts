/**
 * Returns `length` unpredictable bytes (seeded ones in the simulator).
 *
 * @category models
 * @since 0.1.0
 */
export type RandomBytes = (length: number) => Uint8Array
