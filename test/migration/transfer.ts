/** A transfer in each direction, both verified by digest, with events on the network meanwhile. */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { expect } from "vitest"
import type { QuicError, QuicStream } from "../../src/index.ts"
import { pattern, readAll, type Pair } from "../api/pair.ts"

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const CHUNK = 64 * 1024

const send = Effect.fnUntraced(function* (
  stream: QuicStream,
  bytes: Uint8Array,
  onSent: (sent: number) => void
) {
  for (let start = 0; start < bytes.length; start += CHUNK) {
    yield* stream.write(bytes.subarray(start, start + CHUNK))
    onSent(start)
  }
  yield* stream.finish
})

/** Transfers `size` bytes in each direction at once; runs each event when that fraction of the upload is accepted. */
export const transfer = <E>(
  { near, far }: Pair,
  size: number,
  events: ReadonlyArray<readonly [share: number, event: Effect.Effect<void, E, Scope.Scope>]> = []
): Effect.Effect<void, QuicError | E, Scope.Scope> =>
  Effect.gen(function* () {
    const up = pattern(size, 1)
    const down = pattern(size, 2)
    const pending = [...events]
    const outgoing = yield* near.openBidi
    let accepted = 0
    const happenings = Effect.gen(function* () {
      for (const [share, event] of pending) {
        while (accepted < share * size) yield* Effect.sleep(2)
        yield* event
      }
    })
    const upload = send(outgoing, up, (sent) => {
      accepted = sent + CHUNK
    })
    const serve = Effect.gen(function* () {
      const incoming = yield* far.acceptBidi
      const [, received] = yield* Effect.all([send(incoming, down, () => {}), readAll(incoming)], {
        concurrency: "unbounded"
      })
      expect(sha256(received)).toBe(sha256(up))
    })
    const [, , received] = yield* Effect.all([upload, serve, readAll(outgoing), happenings], {
      concurrency: "unbounded"
    })
    expect(sha256(received)).toBe(sha256(down))
  })
