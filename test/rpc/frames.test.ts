/** Reading frames from a stream that delivers them in pieces. */
import * as Effect from "effect/Effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { expect, it } from "vitest"
import type { QuicStream } from "../../src/index.ts"
import { frameOf, readFrame } from "../../src/rpc/frames.ts"

/** A stream that delivers pieces of `size` bytes; `onRead` is told of the bytes delivered so far. */
const inPieces = (bytes: Uint8Array, size: number, onRead = (_delivered: number): void => {}): QuicStream => {
  let delivered = 0
  const read = (most: number) =>
    Effect.sync(() => {
      onRead(delivered)
      if (delivered === bytes.length) return undefined
      const piece = bytes.slice(delivered, delivered + Math.min(most, size))
      delivered += piece.length
      return piece
    })
  return { read } as unknown as QuicStream
}

const MAX = 1_000_000
const bodyOf = (length: number) => Uint8Array.from({ length }, (_, i) => i * 31)

it.each([1, 3, 4_095, 4_096, 4_097, 100_000])(
  "a frame in pieces of %i bytes is read as it was",
  async (size) => {
    for (const length of [0, 1, 4_096, 4_097, 20_000]) {
      const frame = await Effect.runPromise(frameOf(bodyOf(length), MAX))
      expect(await Effect.runPromise(readFrame(inPieces(frame, size), MAX))).toEqual(bodyOf(length))
    }
  }
)

it("a frame that arrives byte by byte takes at most a few times its size while it is read", async () => {
  setFlagsFromString("--expose-gc")
  const collect: () => void = runInNewContext("gc")
  const inUse = (): number => {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const frame = await Effect.runPromise(frameOf(bodyOf(200_000), MAX))
  const before = inUse()
  let held = 0
  const stream = inPieces(frame, 1, (delivered) => {
    if (delivered === 190_000) held = inUse() - before
  })
  await Effect.runPromise(readFrame(stream, MAX))
  // a list of pieces took 20 MB
  expect(held).toBeLessThan(2_000_000)
})
