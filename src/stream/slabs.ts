/**
 * Memory of streams whose data is copied out, used again by all of them: memory that is new has to be zeroed and paged in,
 * which costs more than the copy. Nobody outside sees it, since it holds what other streams received before.
 */

export const SLAB_BYTES = 16 * 1024
/** Kept at most: 1 MiB for the process. */
const MAX_SPARE = 64

const spare: Array<Uint8Array> = []

/** A slab, which may hold anything. */
export const takeSlab = (): Uint8Array => spare.pop() ?? new Uint8Array(SLAB_BYTES)

/** Nothing may refer to `slab` any more. */
export const returnSlab = (slab: Uint8Array): void => {
  if (spare.length < MAX_SPARE) spare.push(slab)
}
