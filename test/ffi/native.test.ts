import { execFile } from "node:child_process"
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import { Missing, Native, writePointer } from "../../layers/ffi/native.ts"

const native = Result.getOrThrow(Native.open())

/** What a process started with `flags` says is missing. */
const missingWith = (...flags: ReadonlyArray<string>): Promise<string> => {
  const url = new URL("../../layers/ffi/native.ts", import.meta.url).href
  const program = `const { Native } = await import(${JSON.stringify(url)})
    const { failure } = Native.open()
    console.log(failure === undefined ? "nothing" : failure.what + ": " + failure.why)`
  return new Promise((resolve, reject) =>
    execFile(process.execPath, [...flags, "--input-type=module", "--eval", program], (error, stdout) =>
      error === null ? resolve(stdout.trim()) : reject(error)
    )
  )
}

describe("native functions", () => {
  it("read and write pinned memory, which stays where it is", () => {
    const { memcpy } = Result.getOrThrow(
      native.functions("copying", { memcpy: { return: "pointer", arguments: ["pointer", "pointer", "u64"] } })
    )
    const pins = Array.from({ length: 100 }, (_, i) => {
      const pinned = native.pin(16)
      pinned.bytes.fill(i)
      return pinned
    })
    const garbage: Array<Uint8Array> = []
    for (let i = 0; i < 10_000; i++) garbage[i & 63] = new Uint8Array(1 + (i & 4095))
    const copy = native.pin(16)
    for (const [i, { pointer }] of pins.entries()) {
      memcpy(copy.pointer, pointer, 16n)
      expect(copy.bytes).toEqual(new Uint8Array(16).fill(i))
    }
  })

  it("follow the addresses written into structures", () => {
    const { readv, pipe, write } = Result.getOrThrow(
      native.functions("pipes", {
        pipe: { return: "i32", arguments: ["pointer"] },
        write: { return: "i64", arguments: ["i32", "pointer", "u64"] },
        readv: { return: "i64", arguments: ["i32", "pointer", "i32"] }
      })
    )
    const [ends, text, iovec, room] = [native.pin(8), native.pin(3), native.pin(16), native.pin(8)]
    expect(pipe(ends.pointer)).toBe(0)
    const [readEnd, writeEnd] = [ends.view.getInt32(0, true), ends.view.getInt32(4, true)]
    text.bytes.set([7, 8, 9])
    expect(write(writeEnd, text.pointer, 3n)).toBe(3n)
    writePointer(iovec, 0, room, 2)
    iovec.view.setUint32(8, 6, true)
    expect(readv(readEnd, iovec.pointer, 1)).toBe(3n)
    expect(room.bytes).toEqual(new Uint8Array([0, 0, 7, 8, 9, 0, 0, 0]))
    const { close } = Result.getOrThrow(
      native.functions("closing", { close: { return: "i32", arguments: ["i32"] } })
    )
    expect([close(readEnd), close(writeEnd)]).toEqual([0, 0])
    expect(close(-1)).toBe(-1)
    expect(native.errno).toBe(9) // EBADF
  })

  it("are looked up together, and what is missing is named", () => {
    const missing = Result.flip(
      native.functions("time travel", {
        free: { arguments: ["pointer"] },
        travel_back: { arguments: ["i32"] }
      })
    )
    const { what, why } = Result.getOrThrow(missing)
    expect(Result.getOrThrow(missing)).toBeInstanceOf(Missing)
    expect(what).toBe("time travel")
    expect(why).toContain("travel_back")
  })

  it("are missing, with the reason, where node:ffi is switched off or not permitted", async () => {
    const directory = process.cwd()
    const reads = ["--permission", `--allow-fs-read=${directory}`]
    expect(await missingWith()).toBe("nothing")
    expect(await missingWith("--no-experimental-ffi")).toMatch(
      /^node:ffi: Node [\d.]+ does not have it, or it is switched off$/
    )
    expect(await missingWith(...reads)).toMatch(/^node:ffi: .*(permission|allow-ffi)/i)
    expect(await missingWith(...reads, "--allow-ffi")).toBe("nothing")
  })
})
