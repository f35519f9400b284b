/** Fetches what a sender offers: into a directory, or one file to standard output. */
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { OfferedFile, Sender } from "../transfer/askSender.ts"
import { chunkBytesOf } from "../transfer/chunks.ts"
import { type Offer, type OfferEntry, sizeOf } from "../transfer/offer.ts"
import { ExitCode } from "./exitCodes.ts"
import type { ReceivedFiles } from "./receivedFiles.ts"
import { fail } from "./report.ts"

/** Files that are fetched at a time. */
const CONCURRENCY = 8

/** How far a transfer is. */
export class Receipt {
  /** Bytes of all files; undefined for a stream. */
  total: number | undefined
  /** Bytes that are here. */
  done = 0
  /** Of them, those that were here before. */
  kept = 0
  /** Temporary files with something in them. */
  readonly partials = new Set<string>()

  /** Starts again, for another attempt. */
  begin(offer: Offer): void {
    this.total = offer.entries[0].kind === "stream" ? undefined : sizeOf(offer)
    this.done = 0
    this.kept = 0
  }

  arrived(bytes: number): void {
    this.done += bytes
  }

  wasHere(bytes: number): void {
    this.done += bytes
    this.kept += bytes
  }
}

interface Fetching {
  readonly sender: Sender
  readonly files: ReceivedFiles
  readonly receipt: Receipt
  readonly mayReplace: boolean
}

const directoryOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")))

const fetchFile = Effect.fnUntraced(function* (
  { files, mayReplace, receipt, sender }: Fetching,
  index: number,
  offered: OfferedFile
) {
  yield* files.makeDirectory(directoryOf(offered.path))
  const partial = files.partialPlace(offered.path, offered.root)
  let chunks = 0
  const fetched = Effect.gen(function* () {
    const hashes = yield* sender.hashesOf(index, offered)
    const begun = yield* files.openPartial(partial, offered, hashes)
    chunks = begun.chunks
    receipt.wasHere(Math.min(offered.size, chunks * chunkBytesOf(offered.size)))
    yield* sender.chunks(index, offered, hashes, chunks, {
      onBytes: (count) => receipt.arrived(count),
      write: (bytes) =>
        Effect.tap(begun.file.writeAll(bytes), () =>
          Effect.sync(() => {
            chunks++
            receipt.partials.add(partial)
          })
        )
    })
  }).pipe(
    Effect.scoped,
    // what is verified is kept for another attempt
    Effect.onError(() => (chunks === 0 ? files.remove(partial) : Effect.void))
  )
  yield* fetched
  yield* files.finish(partial, offered, mayReplace)
  receipt.partials.delete(partial)
})

const fetchStream = Effect.fnUntraced(function* (
  { files, mayReplace, receipt, sender }: Fetching,
  { path }: OfferEntry,
  mark: Uint8Array
) {
  if (!mayReplace) yield* files.refuseExisting(path)
  const partial = files.partialPlace(path, mark)
  const fetched = Effect.gen(function* () {
    const file = yield* files.openNew(partial)
    yield* sender.stream(0, {
      onBytes: (count) => receipt.arrived(count),
      write: (bytes) => file.writeAll(bytes)
    })
  }).pipe(
    Effect.scoped,
    // nobody can send the rest of it
    Effect.onError(() => files.remove(partial))
  )
  yield* fetched
  yield* files.finish(partial, { path }, mayReplace)
})

/** All that is offered, into a directory. What is there already and right is not fetched. */
export const fetchAll = Effect.fnUntraced(function* (fetching: Fetching, offer: Offer) {
  const { files, mayReplace, receipt, sender } = fetching
  const [first] = offer.entries
  if (first.kind === "stream") return yield* fetchStream(fetching, first, offer.salt)
  const wanted: Array<readonly [index: number, file: OfferedFile]> = []
  // before anything is fetched, as a transfer that cannot be completed should not begin
  const look = Effect.fnUntraced(function* (entry: OfferEntry, index: number) {
    if (entry.kind !== "file") return yield* files.makeDirectory(entry.path)
    if (yield* files.isWhole(entry, sender.hashesOf(index, entry), mayReplace)) receipt.wasHere(entry.size)
    else wanted.push([index, entry])
  })
  yield* Effect.forEach(offer.entries, look, { concurrency: CONCURRENCY, discard: true })
  yield* Effect.forEach(wanted, ([index, file]) => fetchFile(fetching, index, file), {
    concurrency: CONCURRENCY,
    discard: true
  })
})

/** The one file that is offered, to standard output; from `after` chunks on, and telling of each. */
export const fetchToOutput = Effect.fnUntraced(function* (
  { receipt, sender }: Pick<Fetching, "sender" | "receipt">,
  offer: Offer,
  after: number,
  onChunk: () => void
) {
  const stdio = yield* Stdio.Stdio
  const [entry] = offer.entries
  if (offer.entries.length > 1 || entry.kind === "directory")
    return yield* fail("-o -: more than one file is offered, which need a directory", ExitCode.usage)
  const target = {
    onBytes: (count: number) => receipt.arrived(count),
    // a copy, as a pipe may be slower than the network
    write: (bytes: Uint8Array) =>
      Effect.tap(Stream.run(Stream.make(bytes.slice()), stdio.stdout({ endOnDone: false })), () =>
        Effect.sync(onChunk)
      )
  }
  if (entry.kind === "stream") return yield* sender.stream(0, target)
  receipt.wasHere(Math.min(entry.size, after * chunkBytesOf(entry.size)))
  const hashes = yield* sender.hashesOf(0, entry)
  yield* sender.chunks(0, entry, hashes, after, target)
})
