import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { expect, it } from "vitest"
import { parseRequest } from "../../src/cli/hqRequest.ts"
import { parseTarget } from "../../src/cli/hqTarget.ts"
import { wrap } from "../../src/cli/presenter.ts"
import { drawProgress } from "../../src/cli/ProgressBar.ts"
import { printable } from "../../src/internal/printable.ts"
import { formatBytes, formatMillis, formatRate, parseBytes } from "../../src/cli/units.ts"
import { runCli } from "./runCli.ts"

it("writes sizes, rates and times with three digits", () => {
  expect([0, 999, 1000, 1234, 12_340, 99_960, 123_400_000, 999_600_000].map(formatBytes)).toEqual([
    "0 B",
    "999 B",
    "1.00 kB",
    "1.23 kB",
    "12.3 kB",
    "100 kB",
    "123 MB",
    "1.00 GB"
  ])
  expect(formatRate(1_000_000, 20)).toBe("400 Mbit/s")
  expect(formatRate(1, 0)).toBe("–")
  expect([0.25, 1.5, 42, 1234, 125_000].map(formatMillis)).toEqual([
    "250 µs",
    "1.50 ms",
    "42 ms",
    "1.2 s",
    "2 min 5 s"
  ])
})

it("parses sizes as people write them", () => {
  const read = (text: string) => Option.getOrUndefined(parseBytes(text))
  expect(["0", "4096", "64k", "1.5 kB", "100MB", "2gib", "1KiB", "7b"].map(read)).toEqual([
    0, 4096, 64_000, 1500, 100_000_000, 2_147_483_648, 1024, 7
  ])
  expect(["", "x", "-1", "1 XB", "1ib", "99999999TB", "1e3", "0x10"].map(read)).toEqual(
    Array(8).fill(undefined)
  )
})

it("fits progress into the available columns", () => {
  const state = { label: "Receiving 100 MB", done: 50e6, total: 100e6 }
  expect(drawProgress(state, 1000, 100)).toBe(
    "Receiving 100 MB  ███████████████▌░░░░░░░░░░░░░░░   50 %  50.0 MB of 100 MB  400 Mbit/s  1.0 s left"
  )
  for (let columns = 1; columns < 200; columns++)
    expect(drawProgress(state, 1000, columns).length).toBeLessThan(columns === 1 ? 2 : columns)
  for (const done of [0, 1, 99_999_999, 100e6, 200e6])
    expect(drawProgress({ ...state, done }, 1, 80).length).toBeLessThan(80)
  expect(drawProgress({ label: "a", done: 5, total: undefined }, 1000, 80)).toBe("a  5 B  40 bit/s")
})

it("escapes untrusted text for the terminal", () => {
  expect(printable("a\r\nb\tc \x1b[2J\u202e!")).toBe("a b c \ufffd[2J\ufffd!")
})

it("breaks lines between words", () => {
  expect(wrap("one two three", 7)).toEqual(["one two", "three"])
  expect(wrap("unbreakable", 3)).toEqual(["unbreakable"])
})

it("parses a request line and nothing else", () => {
  expect(parseRequest("GET /a%20b\r\n")).toBe("/a b")
  expect(parseRequest("GET /a?q#f")).toBe("/a")
  for (const line of [
    "",
    "GET",
    "GET  /a",
    "get /a",
    "GET /a b c",
    "GET /%ff",
    "GET /a\r\nGET /b\r\n",
    "GET /\0"
  ])
    expect([line, parseRequest(line)]).toEqual([line, undefined])
})

it("parses a request line in time linear in its length", () => {
  // a backtracking pattern takes minutes for these
  for (const tail of [" x", " HTTP/ x", "? HTTP/", "\r"])
    expect(parseRequest(`GET /${"a?".repeat(100_000)}${tail}`)).toBeUndefined()
})

it("parses a URL with and without scheme and port", async () => {
  const read = (text: string) => Effect.runPromise(Effect.flip(Effect.flip(parseTarget(text))))
  expect(await read("https://example.org/a/b%20c?x")).toMatchObject({
    host: "example.org",
    port: 443,
    path: "/a/b%20c",
    fileName: "b c"
  })
  expect(await read("[::1]:4433/x")).toMatchObject({ host: "::1", port: 4433, path: "/x", fileName: "x" })
  expect(await read("localhost:1/x")).toMatchObject({ host: "localhost", port: 1 })
  expect(await read("https://[0:0::1]:1/f")).toMatchObject({ host: "::1", port: 1 })
  expect(await read("https://[::ffff:127.0.0.1]/f")).toMatchObject({ host: "127.0.0.1" })
  // RFC 6874 and RFC 4007
  for (const zone of ["%25eth0", "%eth0"])
    expect(await read(`https://[fe80::1${zone}]:1/f?a=%25`)).toMatchObject({ host: "fe80::1%eth0", port: 1 })
  expect(await read("[fe80::1%4]:1/f")).toMatchObject({ host: "fe80::1%4", port: 1 })
})

it.each(["", "demo", "serve", "get", "perf", "perf client", "perf server", "keygen", "interop"])(
  "explains itself in lines that fit: %s",
  async (command) => {
    const { code, stderr, stdout } = await runCli([...command.split(" ").filter(Boolean), "--help"])
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(stdout).toContain("DESCRIPTION")
    for (const line of stdout.split("\n")) expect(line.length, line).toBeLessThanOrEqual(100)
  }
)
