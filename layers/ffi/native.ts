/**
 * The functions of libc, libuv and OpenSSL that the node binary carries, called by `node:ffi`.
 *
 * What a call costs decides how they are used: with at most three arguments, pointers being bigints that are kept, it is
 * 60 ns; a fourth argument, or a typed array as an argument, makes it four times as much. So memory is pinned once, its
 * address kept, and structures are written into it.
 */
import type { FunctionDefinitions, FunctionSignature, WrappedFunctionsFromDefinitions } from "node:ffi"
import * as Result from "effect/Result"

type Ffi = typeof import("node:ffi")
type Functions<T extends FunctionDefinitions> = WrappedFunctionsFromDefinitions<T>

/** What this process cannot do natively, and why. */
export class Missing {
  readonly what: string
  readonly why: string

  constructor(what: string, why: string) {
    this.what = what
    this.why = why
  }
}

/**
 * Memory that native code may read and write. It stays where it is as long as this is referenced; a pointer alone keeps
 * nothing alive.
 */
export interface Pinned {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly view: DataView<ArrayBuffer>
  readonly pointer: bigint
}

export class Native {
  private readonly ffi: Ffi
  private readonly errnoCell: Int32Array

  private constructor(ffi: Ffi) {
    this.ffi = ffi
    const { __errno_location } = new ffi.DynamicLibrary(null).getFunctions({
      __errno_location: { return: "pointer" }
    })
    // each thread has its own, which never moves
    this.errnoCell = new Int32Array(ffi.toArrayBuffer(__errno_location(), 4, false))
  }

  static open(): Result.Result<Native, Missing> {
    const { arch, platform } = process
    if (platform !== "linux" || (arch !== "x64" && arch !== "arm64"))
      return Result.fail(
        new Missing("node:ffi", `it is used on Linux x64 and arm64, and this is ${platform} ${arch}`)
      )
    // absent before Node 26.1 and with --no-experimental-ffi, so never imported
    const ffi = process.getBuiltinModule("node:ffi")
    if (ffi === undefined)
      return Result.fail(
        new Missing("node:ffi", `Node ${process.versions.node} does not have it, or it is switched off`)
      )
    return attempt("node:ffi", () => new Native(ffi))
  }

  /** Resolves functions of the process; `what` needs all of them. */
  functions<const T extends FunctionDefinitions>(
    what: string,
    definitions: T
  ): Result.Result<Functions<T>, Missing> {
    // a library of its own, as a library has one signature for each symbol
    return attempt(what, () => new this.ffi.DynamicLibrary(null).getFunctions(definitions))
  }

  /** The error of the call that has just failed; the next call, or an allocation, may overwrite it. */
  get errno(): number {
    return this.errnoCell[0]
  }

  /** The `uv_loop_t` of this thread. */
  get eventLoop(): bigint {
    return this.ffi.getCurrentEventLoop()
  }

  /** Allocates zeroed memory that native code may use. */
  pin(byteLength: number): Pinned {
    // small typed arrays made without a buffer live on the heap, which moves them
    const buffer = new ArrayBuffer(byteLength)
    return {
      bytes: new Uint8Array(buffer),
      view: new DataView(buffer),
      pointer: this.ffi.getRawPointer(buffer)
    }
  }

  /**
   * A function pointer that calls `handle`, for as long as this thread lives.
   *
   * `handle` must not throw, which would abort the process. Neither promises nor `process.nextTick` run when it returns;
   * `setImmediate` does.
   */
  callback<const T extends FunctionSignature>(signature: T, handle: (...args: Array<never>) => void): bigint {
    return new this.ffi.DynamicLibrary(null).registerCallback(signature, handle as never)
  }
}

/** Writes the address of `to.bytes[offset]` into a structure. Both platforms are little-endian. */
export const writePointer = (structure: Pinned, at: number, to: Pinned, offset = 0): void =>
  structure.view.setBigUint64(at, to.pointer + BigInt(offset), true)

const attempt = <A>(what: string, work: () => A): Result.Result<A, Missing> =>
  Result.try({
    try: work,
    catch: (error) => new Missing(what, error instanceof Error ? error.message : String(error))
  })
