import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Terminal from "effect/Terminal"
import * as TestClock from "effect/testing/TestClock"
import { describe, expect, it } from "vitest"
import * as NodeInspector from "../../layers/node/NodeInspector.ts"
import type { ProcessTree } from "../../src/cli/CliHost.ts"
import { live as liveTop, type TopOptions } from "../../src/cli/top.ts"
import { pair } from "../api/pair.ts"
import { live, type Place } from "../api/World.ts"
import { runCli, scratch } from "./runCli.ts"
import { connectionNode, processTree } from "./topFixtures.ts"

const enter = "\u001b[?1049h\u001b[?25l\u001b[?7l"
const leave = "\u001b[0m\u001b[?7h\u001b[?25h\u001b[?1049l"

/** A terminal of 80 columns, its keyboard, and all that was written to it. */
const makeTerminal = Effect.gen(function* () {
  const keys = yield* Queue.unbounded<Terminal.UserInput, Cause.Done>()
  const sizes = yield* Queue.unbounded<Terminal.Size, Cause.Done>()
  const written: Array<string> = []
  let isBroken = false
  const terminal = Terminal.make({
    columns: Effect.succeed(80),
    rows: Effect.succeed(24),
    size: Effect.succeed(sizes),
    readInput: Effect.succeed(keys),
    readLine: Effect.never,
    display: (text) =>
      Effect.suspend(() => {
        if (isBroken) return Effect.die("the terminal is gone")
        written.push(text)
        return Effect.void
      })
  })
  return {
    layer: Layer.succeed(Terminal.Terminal, terminal),
    written,
    press: (name: string, ctrl = false) =>
      Queue.offer(keys, {
        input: Option.some(name),
        key: { name, ctrl, meta: false, shift: false }
      }),
    resize: (size: Terminal.Size) => Queue.offer(sizes, size),
    closeInput: Queue.end(keys),
    break: Effect.sync(() => {
      isBroken = true
    })
  }
})

/** Lets every fiber go as far as it comes without time passing. */
const settle = Effect.repeat(Effect.yieldNow, { times: 100 })

/** Runs `effect-quic top` on a terminal of ours while `user` uses it, in virtual time. */
const using = <A>(
  processes: TopOptions["processes"],
  user: (
    terminal: Effect.Success<typeof makeTerminal>,
    top: Fiber.Fiber<void, PlatformError>
  ) => Effect.Effect<A, PlatformError>
): Promise<A> =>
  Effect.gen(function* () {
    const terminal = yield* makeTerminal
    const running = liveTop({ processes, intervalMillis: 1000, sort: "rate", nothing: "nothing runs" })
    const top = yield* Effect.forkChild(Effect.provide(running, terminal.layer))
    yield* settle
    return yield* user(terminal, top)
  }).pipe(Effect.provide(TestClock.layer()), Effect.runPromise)

const oneConnection = Effect.succeed([processTree({ connections: [connectionNode()] })])

describe("B8: effect-quic top on a terminal", () => {
  it("takes the screen, refreshes it every second with one write a frame, and gives it back when the user quits", () =>
    using(oneConnection, (terminal, top) =>
      Effect.gen(function* () {
        expect(terminal.written[0]).toBe(enter)
        expect(terminal.written.at(-1)).toContain("10.0.0.2:50000")
        // nothing has changed, and nothing is written
        const before = terminal.written.length
        yield* TestClock.adjust(500)
        yield* settle
        expect(terminal.written.length).toBe(before)
        yield* TestClock.adjust(500)
        yield* settle
        expect(terminal.written.length).toBe(before)
        yield* terminal.press("down")
        yield* settle
        expect(terminal.written.slice(before)).toEqual([expect.stringContaining("> ← 10.0.0.2:50000")])
        yield* terminal.press("q")
        yield* Fiber.join(top)
        expect(terminal.written.at(-1)).toBe(leave)
        expect(terminal.written.filter((text) => text === leave)).toHaveLength(1)
      })
    ))

  it.each([
    ["Ctrl-C", "c"],
    ["Ctrl-D", "d"]
  ])("ends with %s", (_, name) =>
    using(oneConnection, (terminal, top) =>
      Effect.gen(function* () {
        yield* terminal.press(name, true)
        yield* Fiber.join(top)
        expect(terminal.written.at(-1)).toBe(leave)
      })
    )
  )

  it("gives the screen back when it is interrupted, as by SIGTERM", () =>
    using(oneConnection, (terminal, top) =>
      Effect.gen(function* () {
        yield* Fiber.interrupt(top)
        expect(terminal.written.at(-1)).toBe(leave)
      })
    ))

  it("ends when the terminal is gone", () =>
    using(oneConnection, (terminal, top) =>
      Effect.gen(function* () {
        yield* terminal.break
        yield* terminal.press("down")
        expect(Exit.isFailure(yield* Fiber.await(top))).toBe(true)
      })
    ))

  it("draws everything anew after a resize and after Ctrl-L", () =>
    using(oneConnection, (terminal, top) =>
      Effect.gen(function* () {
        yield* terminal.resize({ columns: 60, rows: 10 })
        yield* settle
        expect(terminal.written.at(-1)).toContain("\u001b[2J")
        expect(terminal.written.at(-1)).toContain("\u001b[10;1H")
        expect(terminal.written.at(-1)).not.toContain("\u001b[11;1H")
        yield* terminal.press("l", true)
        yield* settle
        expect(terminal.written.at(-1)).toContain("\u001b[2J")
        yield* Fiber.interrupt(top)
      })
    ))

  it("goes on without a keyboard", () =>
    using(oneConnection, (terminal, top) =>
      Effect.gen(function* () {
        yield* terminal.closeInput
        yield* terminal.resize({ columns: 60, rows: 10 })
        yield* settle
        expect(terminal.written.at(-1)).toContain("10.0.0.2:50000")
        yield* Fiber.interrupt(top)
      })
    ))

  it("answers keys while a process takes its time", () =>
    Effect.runPromise(Deferred.make<ReadonlyArray<ProcessTree>>()).then((answer) =>
      using(Deferred.await(answer), (terminal, top) =>
        Effect.gen(function* () {
          expect(terminal.written.at(-1)).toContain("looking for processes")
          yield* terminal.press("q")
          yield* Fiber.join(top)
          expect(terminal.written.at(-1)).toBe(leave)
        })
      )
    ))

  it("shows why it cannot look, and looks again", () => {
    let looks = 0
    const running = Effect.suspend(() =>
      looks++ === 0 ? Effect.fail({ message: "the directory is accessible to other users" }) : oneConnection
    )
    return using(running, (terminal, top) =>
      Effect.gen(function* () {
        expect(terminal.written.at(-1)).toContain("the directory is accessible to other users")
        yield* TestClock.adjust(1000)
        yield* settle
        expect(terminal.written.at(-1)).toContain("10.0.0.2:50000")
        yield* Fiber.interrupt(top)
      })
    )
  })
})

describe("B8: effect-quic top without a terminal", () => {
  const { XDG_RUNTIME_DIR = "/tmp" } = process.env
  const top = (...args: ReadonlyArray<string>) =>
    runCli(["top", "--interval", "0.2", ...args], { env: { XDG_RUNTIME_DIR } })

  live.it("prints once what a process does, with rates, for people and for scripts", (world) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const inspector = yield* Layer.buildWithScope(NodeInspector.layer, scope)
      const layer = Layer.merge(world.client.layer, Layer.succeedContext(inspector))
      const inspected: Place = { ...world.client, layer }
      const { near } = yield* Scope.provide(pair({ ...world, client: inspected }), scope)
      const address = `127.0.0.1:${near.remoteAddress.port}`
      const text = yield* Effect.promise(() => top("--pid", `${process.pid}`))
      expect(text).toMatchObject({ code: 0, stderr: "" })
      expect(text.stdout).not.toContain("\u001b")
      const lines = text.stdout.trimEnd().split("\n")
      expect(lines[0]).toContain(`effect-quic top · process ${process.pid} · 127.0.0.1:`)
      expect(lines.at(-1)).toMatch(new RegExp(`^ {2}→ ${address} +established +0 +0 `))

      const json = yield* Effect.promise(() => top("--json", "--once", "--pid", `${process.pid}`))
      const seen = JSON.parse(json.stdout)
      expect(seen).toMatchObject({
        endpoints: [
          {
            pid: process.pid,
            connections: [{ remote: address, role: "client", state: "established", inBitsPerSecond: 0 }]
          }
        ]
      })
      expect(seen.endpoints[0].elapsedMillis).toBeGreaterThan(150)
      yield* Scope.close(scope, Exit.void)
    })
  )

  it("says in one sentence that nothing runs", async () => {
    const alone = await runCli(["top"], { env: { XDG_RUNTIME_DIR: scratch() } })
    expect(alone).toMatchObject({ code: 1, stdout: "" })
    expect(alone.stderr).toBe(
      "effect-quic: no process exposes its endpoints; effect-quic demo, serve, get and perf do while they run, your own programs with NodeInspector.layer\n"
    )
    const other = await runCli(["top", "--json", "--pid", "4000009"], {
      env: { XDG_RUNTIME_DIR: scratch() }
    })
    expect(other.stderr).toBe("effect-quic: process 4000009 does not expose its endpoints\n")
  })

  it("names the flag whose value it cannot use", async () => {
    const wrong = await runCli(["top", "--interval", "0"])
    expect(wrong).toMatchObject({ code: 2, stdout: "" })
    expect(wrong.stderr).toContain("interval")
  })
})
