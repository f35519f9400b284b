import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { Branch } from "../../src/actor/Branch.ts"

const ignoreDefect = () => {}

/** A fiber that records its end in `ends`. */
const resident = (name: string, ends: Array<string>) =>
  Effect.onExit(Effect.never, () =>
    Effect.sync(() => {
      ends.push(name)
    })
  )

describe("a branch of the fiber tree", () => {
  it("closes from the leaves to the root, youngest first", async () => {
    const ends: Array<string> = []
    const root = new Branch(Effect.runFork)
    const connection = root.fork(resident("connection", ends), ignoreDefect)
    const path = connection.fork(resident("path", ends), ignoreDefect)
    path.fork(resident("route", ends), ignoreDefect)
    connection.fork(resident("stream", ends), ignoreDefect)
    expect(root.fiberCount).toBe(4)
    await Effect.runPromise(root.close)
    expect(ends).toEqual(["stream", "route", "path", "connection"])
    expect(root.fiberCount).toBe(0)
  })

  it("closes its children when its fiber ends", async () => {
    const ends: Array<string> = []
    const root = new Branch(Effect.runFork)
    const branch = root.fork(Effect.sleep(1), ignoreDefect)
    branch.fork(resident("leaf", ends), ignoreDefect)
    await Effect.runPromise(root.whenEmpty)
    expect(ends).toEqual(["leaf"])
    expect([...root.children]).toEqual([])
  })

  it("tells a resident that its fiber was interrupted, after what grows on it", async () => {
    const ends: Array<string> = []
    const root = new Branch(Effect.runFork)
    const branch = root.house({ onInterrupted: () => void ends.push("resident") })
    branch.fork(resident("guest", ends), ignoreDefect)
    expect([root.fiberCount, branch.fiberId]).toEqual([2, expect.any(Number)])
    await Effect.runPromise(branch.close)
    expect(ends).toEqual(["guest", "resident"])
    expect([root.fiberCount, ...root.children]).toEqual([0])
    root.house({ onInterrupted: () => void ends.push("another") })
    root.interruptUnsafe()
    expect(ends).toEqual(["guest", "resident", "another"])
  })

  it("reports a defect to its parent's policy, not to its siblings", async () => {
    const ends: Array<string> = []
    const defects: Array<unknown> = []
    const root = new Branch(Effect.runFork)
    root.fork(resident("sibling", ends), ignoreDefect)
    root.fork(Effect.andThen(Effect.sleep(1), Effect.die("broken")), (cause) =>
      defects.push(Cause.squash(cause))
    )
    await Effect.runPromise(Effect.sleep(20))
    expect(defects).toEqual(["broken"])
    expect(ends).toEqual([])
    expect(root.fiberCount).toBe(1)
    await Effect.runPromise(root.close)
  })

  it("does not report an interrupt", async () => {
    const defects: Array<unknown> = []
    const root = new Branch(Effect.runFork)
    root.fork(Effect.never, (cause) => defects.push(cause))
    await Effect.runPromise(root.close)
    expect(defects).toEqual([])
  })

  it("accepts no children while it is closed", async () => {
    let begun = false
    const root = new Branch(Effect.runFork)
    const branch = root.fork(Effect.never, ignoreDefect)
    await Effect.runPromise(root.close)
    const late = branch.fork(
      Effect.sync(() => {
        begun = true
      }),
      ignoreDefect
    )
    expect(begun).toBe(false)
    expect(late.fiberId).toBeUndefined()
    expect(root.fiberCount).toBe(0)
  })
})
