/**
 * The functions of libc, libuv and OpenSSL that the node binary carries, called by `node:ffi`.
 *
 * What a call costs decides how they are used. If all its arguments are declared "pointer" and given as bigints, numbers
 * too, it is compiled into a plain call: 4 ns. An integer argument takes a wrapper that checks it: 60 to 260 ns; a typed
 * array, 330. So memory is pinned once, its address kept, and structures are written into it. A bigint made for the call
 * takes 30 ns.
 */
import type { FunctionDefinitions, WrappedFunctionsFromDefinitions } from "node:ffi"
import { isMainThread } from "node:worker_threads"
import * as Result from "effect/Result"

type Ffi = typeof import("node:ffi")
type Functions<T extends FunctionDefinitions> = WrappedFunctionsFromDefinitions<T>

/**
 * What this process cannot do natively, and why.
 *
 * @category models
 * @since 0.1.0
 */
export class Missing {
  /** The part, such as a cipher or a symbol. */
  readonly what: string
  /** For people. */
  readonly why: string

  /** @internal */
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

/** The addresses of all pinned memory, for whoever gets a view of it. */
const addresses = new WeakMap<ArrayBufferLike, number>()

/** Finds the addresses of views of pinned memory, fast for those of the same memory as the last. */
export class PinnedViews {
  private buffer: ArrayBufferLike | undefined = undefined
  private address: number | undefined = undefined

  /** Of the view's first byte; undefined unless `Native.pin` made its memory. Addresses are exact: they have 48 bits. */
  addressOf(view: Uint8Array): number | undefined {
    const { buffer } = view
    if (buffer !== this.buffer) {
      this.buffer = buffer
      this.address = addresses.get(buffer)
    }
    return this.address === undefined ? undefined : this.address + view.byteOffset
  }
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
    return attempt("node:ffi", () => {
      const native = new Native(ffi)
      if (isMainThread) exitQuickly()
      return native
    })
  }

  /** Resolves functions of the process; `what` needs all of them. */
  functions<const T extends FunctionDefinitions>(
    what: string,
    definitions: T
  ): Result.Result<Functions<T>, Missing> {
    return attempt(what, () => {
      // a library of its own, as a library has one signature for each symbol
      const library = new this.ffi.DynamicLibrary(null)
      return isMainThread ? library.getFunctions(definitions) : withoutFastCalls(library, definitions)
    })
  }

  /** The address of a function, for native code to call. */
  address(what: string, symbol: string): Result.Result<bigint, Missing> {
    return attempt(what, () => new this.ffi.DynamicLibrary(null).getSymbol(symbol))
  }

  /** Memory at `pointer`, which the caller keeps allocated. */
  foreign(pointer: bigint, byteLength: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.ffi.toArrayBuffer(pointer, byteLength, false))
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
    const pointer = this.ffi.getRawPointer(buffer)
    addresses.set(buffer, Number(pointer))
    return { bytes: new Uint8Array(buffer), view: new DataView(buffer), pointer }
  }
}

let exitsQuickly = false

/**
 * Makes a process that ends by itself end by `process.exit`.
 *
 * Otherwise Node 26 frees what it knows of the functions while V8 may still compile a call of one on another thread, and
 * one short process in fifty crashed at its end. `process.exit` waits for the compiler first.
 */
const exitQuickly = (): void => {
  if (exitsQuickly) return
  exitsQuickly = true
  const exit = (): void => process.exit()
  // after the listeners that others have added
  process.on("beforeExit", () => void process.off("exit", exit).on("exit", exit))
  // Node prints the exception after "exit"
  process.on("uncaughtExceptionMonitor", () => void process.off("exit", exit))
}

/** Node has no fast calls, which V8 compiles, of functions with more than eight arguments. */
const SLOW_ARGUMENTS = 9

/**
 * Functions of a worker, whose end cannot wait for the compiler: they get more arguments than they take, so that calls are
 * not compiled. The callee does not see them: the caller places the arguments and removes them.
 */
const withoutFastCalls = <const T extends FunctionDefinitions>(
  library: InstanceType<Ffi["DynamicLibrary"]>,
  definitions: T
): Functions<T> => {
  const slow = Object.entries(definitions).map(
    ([name, { arguments: taken = [], return: result = "void" }]) => {
      const more = Array.from({ length: SLOW_ARGUMENTS - taken.length }, () => "pointer" as const)
      const call = library.getFunction(name, { arguments: [...taken, ...more], return: result }) as (
        ...args: ReadonlyArray<unknown>
      ) => unknown
      const padded = (a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n, g = 0n, h = 0n, i = 0n) =>
        call(a, b, c, d, e, f, g, h, i)
      return [name, padded]
    }
  )
  return Object.fromEntries(slow)
}

/** Writes the address of `to.bytes[offset]` into a structure. Both platforms are little-endian. */
export const writePointer = (structure: Pinned, at: number, to: Pinned, offset = 0): void =>
  structure.view.setBigUint64(at, to.pointer + BigInt(offset), true)

const sizes: Array<bigint> = Array.from({ length: 2_048 }, (_, i) => BigInt(i))

/** A size as an argument; most are made only once. */
export const size = (bytes: number): bigint => (bytes < sizes.length ? sizes[bytes] : BigInt(bytes))

const attempt = <A>(what: string, work: () => A): Result.Result<A, Missing> =>
  Result.try({
    try: work,
    catch: (error) => new Missing(what, error instanceof Error ? error.message : String(error))
  })
