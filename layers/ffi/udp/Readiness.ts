/**
 * Tells when sockets are readable or writable, by the `uv_poll` of this thread's event loop.
 *
 * libuv calls no JavaScript: a callback into a worker that is being terminated aborts the process. It calls `uv_unref`
 * instead, which clears a bit of the handle, and an immediate that does not keep the loop alive, but runs in each of its
 * iterations, looks for cleared bits. Promises and ticks run after it as after any immediate.
 */
import { isMainThread } from "node:worker_threads"
import { setImmediate } from "node:timers"
import { getSystemErrorName } from "node:util"
import * as Result from "effect/Result"
import type { Missing, Native } from "../native.ts"

const what = "uv_poll"

/** All arguments are declared as pointers, as such calls are the cheapest. */
const signatures = {
  calloc: { arguments: ["pointer", "pointer"], return: "pointer" },
  free: { arguments: ["pointer"], return: "void" },
  close: { arguments: ["pointer"], return: "i32" },
  uv_handle_size: { arguments: ["pointer"], return: "u64" },
  uv_poll_init: { arguments: ["pointer", "pointer", "pointer"], return: "i32" },
  uv_poll_start: { arguments: ["pointer", "pointer", "pointer"], return: "i32" },
  uv_close: { arguments: ["pointer", "pointer"], return: "void" },
  uv_ref: { arguments: ["pointer"], return: "void" },
  uv_unref: { arguments: ["pointer"], return: "void" },
  pthread_key_create: { arguments: ["pointer", "pointer"], return: "i32" },
  pthread_key_delete: { arguments: ["pointer"], return: "i32" },
  pthread_setspecific: { arguments: ["pointer", "pointer"], return: "i32" }
} as const

const functions = (native: Native) => native.functions(what, signatures)

type Calls = Result.Result.Success<ReturnType<typeof functions>>

const UV_POLL = 8n
const UV_HANDLE_REF = 0x8
/** libuv does not mind an open handle with this flag when a worker's loop is closed. */
const UV_HANDLE_INTERNAL = 0x10
const READABLE = 1n
const WRITABLE = 2n
/** For the error queue. */
const PRIORITIZED = 8n

/** Addresses of functions for native code to call. */
interface Callbacks {
  readonly uv_unref: bigint
  readonly free: bigint
  readonly close: bigint
}

export class Readiness {
  private readonly native: Native
  private readonly calls: Calls
  private readonly callbacks: Callbacks
  private watches: ReadonlyArray<Watch> = []
  private isWatching = false

  private constructor(native: Native, calls: Calls, callbacks: Callbacks) {
    this.native = native
    this.calls = calls
    this.callbacks = callbacks
  }

  static open(native: Native): Result.Result<Readiness, Missing> {
    return Result.gen(function* () {
      const calls = yield* functions(native)
      const readiness = new Readiness(native, calls, {
        uv_unref: yield* native.address(what, "uv_unref"),
        free: yield* native.address(what, "free"),
        close: yield* native.address(what, "close")
      })
      return readiness
    })
  }

  /** Calls `onReady` in each iteration of the loop in which `fd` is readable. The watch owns `fd`, and closes it. */
  watch(fd: number, onReady: () => void): Result.Result<Watch, string> {
    const { calls, native } = this
    const bytes = calls.uv_handle_size(UV_POLL)
    const handle = calls.calloc(1n, bytes)
    if (handle === 0n) return Result.fail("no memory for a uv_poll_t")
    const status = calls.uv_poll_init(native.eventLoop, handle, BigInt(fd))
    if (status !== 0) {
      calls.free(handle)
      return Result.fail(`uv_poll_init ${getSystemErrorName(status)}`)
    }
    const memory = native.foreign(handle, Number(bytes))
    const flags = flagsOf(calls, handle, memory)
    if (flags === -1) {
      calls.uv_close(handle, this.callbacks.free)
      return Result.fail("the flags of a uv_poll_t are not where they were")
    }
    memory[flags] |= UV_HANDLE_INTERNAL
    const watch = new Watch(calls, this.callbacks, { handle, fd, onReady, memory, flags }, () =>
      this.remove(watch)
    )
    this.watches = [...this.watches, watch]
    if (!isMainThread) watch.closeWithThread(native)
    watch.start(false)
    if (!this.isWatching) this.rearm()
    return Result.succeed(watch)
  }

  private remove(watch: Watch): void {
    this.watches = this.watches.filter((each) => each !== watch)
  }

  private readonly look = (): void => {
    const { watches } = this
    this.isWatching = false
    if (watches.length === 0) return
    this.rearm()
    for (let i = 0; i < watches.length; i++) watches[i].look()
  }

  private rearm(): void {
    this.isWatching = true
    setImmediate(this.look).unref()
  }
}

/** The byte of the handle that `uv_unref` changes; -1 if it changes another bit, or more. */
const flagsOf = (calls: Calls, handle: bigint, memory: Uint8Array): number => {
  const before = memory.slice()
  calls.uv_unref(handle)
  const changed = [...memory.keys()].filter((i) => memory[i] !== before[i])
  const [flags] = changed
  const isFound = changed.length === 1 && (memory[flags] ^ before[flags]) === UV_HANDLE_REF
  calls.uv_ref(handle)
  return isFound ? flags : -1
}

/** What libuv polls, and where the byte with its flags is. */
interface Polled {
  readonly handle: bigint
  readonly fd: number
  readonly onReady: () => void
  readonly memory: Uint8Array
  readonly flags: number
}

/** One descriptor that is watched. */
export class Watch {
  private readonly calls: Calls
  private readonly callbacks: Callbacks
  private readonly polled: Polled
  private readonly onClose: () => void
  private threadKey: bigint | undefined = undefined
  private isClosed = false

  constructor(calls: Calls, callbacks: Callbacks, polled: Polled, onClose: () => void) {
    this.calls = calls
    this.callbacks = callbacks
    this.polled = polled
    this.onClose = onClose
  }

  /** Watches for data and errors, and for room to write too if `forRoom`. */
  start(forRoom: boolean): void {
    const events = READABLE | PRIORITIZED | (forRoom ? WRITABLE : 0n)
    this.calls.uv_poll_start(this.polled.handle, events, this.callbacks.uv_unref)
  }

  /** Calls `onReady` if the loop has found the descriptor ready. */
  look(): void {
    const { memory, flags, handle, onReady } = this.polled
    if (this.isClosed || (memory[flags] & UV_HANDLE_REF) !== 0) return
    this.calls.uv_ref(handle)
    onReady()
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.onClose()
    if (this.threadKey !== undefined) this.calls.pthread_key_delete(this.threadKey)
    this.calls.uv_close(this.polled.handle, this.callbacks.free)
    this.calls.close(BigInt(this.polled.fd))
  }

  /** Has the descriptor closed when this thread ends, which happens without JavaScript if it is a terminated worker. */
  closeWithThread(native: Native): void {
    const { calls } = this
    const key = native.pin(4)
    // there are about a thousand keys; without one, the process keeps the descriptor
    if (calls.pthread_key_create(key.pointer, this.callbacks.close) !== 0) return
    this.threadKey = BigInt(key.view.getUint32(0, true))
    calls.pthread_setspecific(this.threadKey, BigInt(this.polled.fd))
  }
}
