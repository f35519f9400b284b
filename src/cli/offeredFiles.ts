/** What `send` offers: the files and directories it is given, hashed, and where their bytes are. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import { CryptoSuite } from "../capability/CryptoSuite.ts"
import { Entropy } from "../capability/Entropy.ts"
import { chunkBytesOf, chunkCountOf, type Hash, HASH_BYTES, rootOf } from "../transfer/chunks.ts"
import { badEntries, encodeOffer, type OfferEntry, SALT_BYTES } from "../transfer/offer.ts"
import { badPath } from "../transfer/names.ts"
import { TransferRefusal } from "../transfer/requests.ts"
import { type Pull, type TransferSource, type Unavailable, unavailable } from "../transfer/serveTransfer.ts"
import { type CliFailure, fail } from "./report.ts"
import { ExitCode } from "./exitCodes.ts"

/** A file or an empty directory to be offered, not yet hashed. */
export interface Found {
  /** Its name in the offer. */
  readonly path: string
  /** Where it is here. */
  readonly local: string
  /** Of a directory undefined. */
  readonly info: FileSystem.File.Info | undefined
}

export interface FoundFiles {
  readonly found: ReadonlyArray<Found>
  /** Links and special files, which are not sent. */
  readonly skipped: ReadonlyArray<string>
}

const walk = (
  local: string,
  path: string,
  into: { readonly found: Array<Found>; readonly skipped: Array<string> }
): Effect.Effect<void, PlatformError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const entries = yield* fs.readDirectoryEntries(local)
    if (entries.length === 0) into.found.push({ path, local, info: undefined })
    for (const { name, type } of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const below = paths.join(local, name)
      if (type === "Directory") yield* walk(below, `${path}/${name}`, into)
      else if (type === "File")
        into.found.push({ path: `${path}/${name}`, local: below, info: yield* fs.stat(below) })
      else into.skipped.push(below)
    }
  })

/** All files of `given`, directories with all that is below them. Links within them are not followed. */
export const findFiles = Effect.fnUntraced(function* (
  given: ReadonlyArray<string>
): Effect.fn.Return<FoundFiles, PlatformError | CliFailure, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const all = { found: [] as Found[], skipped: [] as string[] }
  for (const local of given) {
    const info = yield* fs.stat(local)
    const path = paths.basename(paths.resolve(local))
    if (info.type === "Directory") yield* walk(local, path, all)
    else if (info.type === "File") all.found.push({ path, local, info })
    else return yield* fail(`${local}: neither a file nor a directory`, ExitCode.file)
  }
  for (const { local, path } of all.found) {
    const problem = badPath(path)
    if (problem !== undefined) return yield* fail(`${local}: ${problem} cannot be sent`, ExitCode.file)
  }
  return all
})

/** Two stats of a file that has not been written in between. */
const isSameFile = (a: FileSystem.File.Info, b: FileSystem.File.Info): boolean =>
  a.size === b.size &&
  Option.getOrUndefined(a.ino) === Option.getOrUndefined(b.ino) &&
  Option.getOrUndefined(a.mtime)?.getTime() === Option.getOrUndefined(b.mtime)?.getTime()

/** Hashes of the chunks of a file of `size` bytes. */
const hashFile = Effect.fnUntraced(function* (
  local: string,
  size: number,
  hash: Hash,
  onBytes: (count: number) => void
): Effect.fn.Return<Uint8Array, PlatformError | CliFailure, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.open(local, { flag: "r" })
  const hashes = new Uint8Array(chunkCountOf(size) * HASH_BYTES)
  const buffer = new Uint8Array(Math.min(size, chunkBytesOf(size)))
  for (let chunk = 0, left = size; left > 0; chunk++) {
    const bytes = buffer.subarray(0, Math.min(left, buffer.length))
    for (let filled = 0; filled < bytes.length; ) {
      const count = yield* file.read(bytes.subarray(filled))
      if (count === 0) return yield* fail(`${local}: it is being changed`, ExitCode.file)
      filled += count
      onBytes(count)
    }
    hashes.set(hash(bytes), chunk * HASH_BYTES)
    left -= bytes.length
  }
  return hashes
}, Effect.scoped)

/** Bytes of one read. */
const READ_BYTES = 131_072

/** `size` bytes of an open file. */
const pullFrom = (file: FileSystem.File, size: number): Pull => {
  let left = size
  return Effect.suspend(() =>
    left === 0
      ? Effect.undefined
      : Effect.matchEffect(file.readAlloc(Math.min(left, READ_BYTES)), {
          onFailure: () => unavailable(TransferRefusal.unreadable),
          onSuccess: (read) => {
            if (Option.isNone(read)) return unavailable(TransferRefusal.changed)
            left -= read.value.length
            return Effect.succeed(read.value)
          }
        })
  )
}

const openFile = Effect.fnUntraced(function* (
  fs: FileSystem.FileSystem,
  { info, local }: Found,
  offset: number
): Effect.fn.Return<Pull, Unavailable, Scope.Scope> {
  const size = Number(info!.size)
  const opened = yield* Effect.option(
    Effect.gen(function* () {
      const file = yield* fs.open(local, { flag: "r" })
      const now = yield* file.stat
      yield* file.seek(BigInt(offset), "start")
      return { file, now }
    })
  )
  if (Option.isNone(opened)) return yield* unavailable(TransferRefusal.unreadable)
  const { file, now } = opened.value
  return isSameFile(info!, now) ? pullFrom(file, size - offset) : yield* unavailable(TransferRefusal.changed)
})

/** An offer of `entries`, whose bytes `open` has. */
export const offerOf = Effect.fnUntraced(function* (
  entries: ReadonlyArray<OfferEntry>,
  content: Pick<TransferSource, "hashesOf" | "open">
): Effect.fn.Return<TransferSource, CliFailure, CryptoSuite | Entropy> {
  const suite = yield* CryptoSuite
  const { randomBytes } = yield* Entropy
  const problem = badEntries(entries)
  if (problem !== undefined) return yield* fail(`this cannot be sent: ${problem}`, ExitCode.file)
  const offer = { salt: randomBytes(SALT_BYTES), entries }
  const encoded = encodeOffer(offer)
  if (encoded === undefined)
    return yield* fail("the names of these files are too long together", ExitCode.file)
  return { offer, encoded, hash: suite.hash("sha256", encoded), ...content }
})

/** Reads all of them once. */
export const offerFiles = Effect.fnUntraced(function* (
  found: ReadonlyArray<Found>,
  onBytes: (count: number) => void
) {
  const fs = yield* FileSystem.FileSystem
  const suite = yield* CryptoSuite
  const hash: Hash = (bytes) => suite.hash("sha256", bytes)
  const hashes: Array<Uint8Array> = []
  const entries: Array<OfferEntry> = []
  for (const { info, local, path } of found) {
    if (info === undefined) {
      entries.push({ kind: "directory", path })
      hashes.push(new Uint8Array(0))
      continue
    }
    const size = Number(info.size)
    const own = yield* hashFile(local, size, hash, onBytes)
    hashes.push(own)
    entries.push({
      kind: "file",
      path,
      isExecutable: (info.mode & 0o100) !== 0,
      size,
      root: rootOf(size, own, hash)
    })
  }
  return yield* offerOf(entries, {
    hashesOf: (entry) => hashes[entry],
    open: (entry, offset) => openFile(fs, found[entry], offset)
  })
})
