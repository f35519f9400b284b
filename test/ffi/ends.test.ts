/** A process or a worker that has called native functions ends as it would otherwise. */
import { spawnSync } from "node:child_process"
import { describe, expect, it } from "vitest"

const native = JSON.stringify(new URL("../../layers/ffi/native.ts", import.meta.url).href)

/** Calls functions until V8 compiles the calls, and ends at a random moment of that. */
const warmUp = `const { Native } = await import(${native})
  const native = Native.open().success
  const { uv_is_active, getppid } = native.functions("test", {
    uv_is_active: { arguments: ["pointer"], return: "i32" },
    getppid: { return: "i32" }
  }).success
  const { pointer } = (globalThis.pinned = native.pin(256))
  let active = 0
  const once = () => (active += uv_is_active(pointer) + (getppid() & 1))
  const some = (count) => { for (let i = 0; i < count; i++) once() }
  for (let i = Math.random() * 8000; i > 0; i--) { once(); some(2) }`

const run = (program: string): { readonly status: number | null; readonly out: string } => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--no-warnings", "--input-type=module", "--eval", program],
    { encoding: "utf8" }
  )
  return { status, out: stdout + stderr }
}

describe("the end of a process that has called native functions", () => {
  // by `process.exit`, which waits for the compiler: else one in fifty crashes
  it("exits after the last listener, with the status that these set", () => {
    const program = `${warmUp}
      const { reallyExit } = process
      process.reallyExit = (status) => { console.log("exits"); reallyExit.call(process, status) }
      process.on("exit", () => { console.log("first"); process.exitCode = 7 })
      process.on("exit", () => console.log("last", process.exitCode))`
    expect(run(program)).toEqual({ status: 7, out: "first\nlast 7\nexits\n" })
  })

  it("keeps the status of a failure", () => {
    const { status, out } = run(
      `${warmUp}; process.on("exit", () => console.log("over")); throw new Error("wrong")`
    )
    expect(status).toBe(1)
    expect(out).toContain("Error: wrong")
    expect(out).toContain("over")
  })

  it("does not crash with the end of a worker", () => {
    const workers = `import { Worker } from "node:worker_threads"
      const program = new URL("data:text/javascript," + encodeURIComponent(${JSON.stringify(warmUp)}))
      for (let i = 0; i < 40; i++) {
        const worker = new Worker(program)
        await new Promise((resolve, reject) => worker.once("exit", resolve).once("error", reject))
      }
      console.log("fine")`
    expect(run(workers)).toEqual({ status: 0, out: "fine\n" })
  }, 60_000)
})
