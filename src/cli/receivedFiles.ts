/** Where `receive` puts files: below one directory and nowhere else, each under a temporary name until it is complete. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import { hexadecimal } from "../internal/hexadecimal.ts"
import { chunkBytesOf, chunkCountOf, chunkLength, type Hash, isChunk } from "../transfer/chunks.ts"
import type { OfferedFile } from "../transfer/askSender.ts"
import { MAX_NAME_BYTES } from "../transfer/names.ts"
import { ExitCode } from "./exitCodes.ts"
import { type CliFailure, fail } from "./report.ts"

/** An open partial file, whose first chunks are there and verified. */
export interface Partial {
  readonly file: FileSystem.File
  readonly chunks: number
}

const utf8 = new TextEncoder()

/** `name` without its end where a file system would not take that many bytes. */
const shortened = (name: string, bytes: number): string => {
  let short = name
  while (utf8.encode(short).length > bytes) short = [...short].slice(0, -1).join("")
  return short
}

const isMissing = (error: PlatformError): boolean => error.reason._tag === "NotFound"

/** Fills `into`; less at the end of the file. */
const readFull = Effect.fnUntraced(function* (file: FileSystem.File, into: Uint8Array) {
  let length = 0
  while (length < into.length) {
    const count = yield* file.read(into.subarray(length))
    if (count === 0) break
    length += count
  }
  return length
})

/** How many chunks of `offered`, from the first on, an open file has. */
const verifiedChunks = Effect.fnUntraced(function* (
  file: FileSystem.File,
  offered: OfferedFile,
  hashes: Uint8Array,
  hash: Hash
) {
  const count = chunkCountOf(offered.size)
  const buffer = new Uint8Array(count === 0 ? 0 : chunkLength(offered.size, 0))
  for (let chunk = 0; chunk < count; chunk++) {
    const bytes = buffer.subarray(0, chunkLength(offered.size, chunk))
    if ((yield* readFull(file, bytes)) < bytes.length || !isChunk(offered, hashes, chunk, bytes, hash))
      return chunk
  }
  return count
})

/** A directory into which a transfer is received. */
export class ReceivedFiles {
  private readonly fs: FileSystem.FileSystem
  private readonly paths: Path.Path
  private readonly root: string
  private readonly hash: Hash
  /** Directories that are there and are no links. */
  private readonly known = new Set<string>()

  private constructor(fs: FileSystem.FileSystem, paths: Path.Path, root: string, hash: Hash) {
    this.fs = fs
    this.paths = paths
    this.root = root
    this.hash = hash
  }

  /** `directory` is made if it is missing. */
  static readonly in = Effect.fnUntraced(function* (directory: string, hash: Hash) {
    const fs = yield* FileSystem.FileSystem
    yield* fs.makeDirectory(directory, { recursive: true })
    return new ReceivedFiles(fs, yield* Path.Path, yield* fs.realPath(directory), hash)
  })

  /** Where the entry called `path` belongs. */
  place(path: string): string {
    return this.paths.join(this.root, ...path.split("/"))
  }

  /** What is at `local`, without following a link. */
  private look(local: string): Effect.Effect<FileSystem.File.Info | undefined, PlatformError> {
    return Effect.catch(this.fs.lstat(local), (error) =>
      isMissing(error) ? Effect.undefined : Effect.fail(error)
    )
  }

  /** Whether `offered` is there, every byte of it; fails with `file` if something else is in its place. */
  isWhole<E, R>(
    offered: OfferedFile,
    hashes: Effect.Effect<Uint8Array, E, R>,
    mayReplace: boolean
  ): Effect.Effect<boolean, E | PlatformError | CliFailure, Exclude<R, Scope.Scope>> {
    const { fs, hash } = this
    const local = this.place(offered.path)
    return Effect.gen({ self: this }, function* () {
      const info = yield* this.look(local)
      if (info === undefined) return false
      if (info.type === "File" && Number(info.size) === offered.size) {
        const file = yield* fs.open(local, { flag: "r", noFollow: true })
        const chunks = yield* verifiedChunks(file, offered, yield* hashes, hash)
        if (chunks === chunkCountOf(offered.size)) return true
      }
      return mayReplace ? false : yield* inTheWay(local)
    }).pipe(Effect.scoped)
  }

  /** Fails with `file` if something is where the entry called `path` belongs. */
  refuseExisting(path: string): Effect.Effect<void, PlatformError | CliFailure> {
    const local = this.place(path)
    return Effect.flatMap(this.look(local), (info) => (info === undefined ? Effect.void : inTheWay(local)))
  }

  /** Makes a directory and those above it. A link among them is not followed: it would lead out of the root. */
  makeDirectory(path: string): Effect.Effect<void, PlatformError | CliFailure> {
    return Effect.gen({ self: this }, function* () {
      const names = path === "" ? [] : path.split("/")
      for (let depth = 1; depth <= names.length; depth++) {
        const local = this.paths.join(this.root, ...names.slice(0, depth))
        if (this.known.has(local)) continue
        const info = yield* this.look(local)
        if (info === undefined)
          yield* Effect.catch(this.fs.makeDirectory(local), (error) =>
            error.reason._tag === "AlreadyExists" ? Effect.void : Effect.fail(error)
          )
        else if (info.type !== "Directory") return yield* inTheWay(local)
        this.known.add(local)
      }
    })
  }

  /** The temporary name of the entry called `path`, whose content is told by `mark`. */
  partialPlace(path: string, mark: Uint8Array): string {
    const local = this.place(path)
    const suffix = `.${hexadecimal(mark, 0, 4)}.part`
    const name = shortened(this.paths.basename(local), MAX_NAME_BYTES - suffix.length)
    return this.paths.join(this.paths.dirname(local), name + suffix)
  }

  /** What an earlier attempt has left of `offered`, opened behind its last good chunk; or a new file. */
  openPartial(
    partial: string,
    offered: OfferedFile,
    hashes: Uint8Array
  ): Effect.Effect<Partial, PlatformError, Scope.Scope> {
    const { fs, hash } = this
    return Effect.gen(function* () {
      const earlier = yield* Effect.option(fs.open(partial, { flag: "r+", noFollow: true }))
      if (Option.isNone(earlier))
        return { file: yield* fs.open(partial, { flag: "wx", noFollow: true }), chunks: 0 }
      const file = earlier.value
      const chunks = yield* verifiedChunks(file, offered, hashes, hash)
      const end = BigInt(Math.min(offered.size, chunks * chunkBytesOf(offered.size)))
      yield* file.truncate(Number(end))
      yield* file.seek(end, "start")
      return { file, chunks }
    })
  }

  /** A new file at `partial`, instead of one that an earlier attempt may have left. */
  openNew(partial: string): Effect.Effect<FileSystem.File, PlatformError, Scope.Scope> {
    return Effect.andThen(
      this.fs.remove(partial, { force: true }),
      this.fs.open(partial, { flag: "wx", noFollow: true })
    )
  }

  remove(partial: string): Effect.Effect<void> {
    return Effect.ignore(this.fs.remove(partial, { force: true }))
  }

  /** Gives a complete file its name. What has got that name meanwhile is kept, unless it may be replaced. */
  finish(
    partial: string,
    { isExecutable = false, path }: { readonly isExecutable?: boolean; readonly path: string },
    mayReplace: boolean
  ): Effect.Effect<void, PlatformError | CliFailure> {
    const { fs } = this
    const local = this.place(path)
    return Effect.gen({ self: this }, function* () {
      if (isExecutable) yield* fs.chmod(partial, Number((yield* fs.stat(partial)).mode & 0o777) | 0o111)
      if (mayReplace) return yield* fs.rename(partial, local)
      yield* Effect.catch(fs.link(partial, local), (error) =>
        error.reason._tag === "AlreadyExists"
          ? inTheWay(local)
          : // not every file system has links
            Effect.andThen(this.refuseExisting(path), fs.rename(partial, local))
      )
      yield* this.remove(partial)
    })
  }
}

const inTheWay = (local: string): Effect.Effect<never, CliFailure> =>
  fail(`${local} is there already, and is something else; --force replaces it`, ExitCode.file)
