/** What `ping` says of the way to a peer, and of its changes. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it, vi } from "vitest"
import { ExitCode } from "../../src/cli/exitCodes.ts"
import { describePing, type PingEvent, PingSummary } from "../../src/cli/ping.ts"
import { runCli, scratch, startCli } from "./runCli.ts"

// several processes, on machines that may be busy
vi.setConfig({ testTimeout: 240_000 })

const relayed = {
  id: 0,
  via: "relayed, https://relay.test 0123456789abcdef",
  isDirect: false,
  state: "active",
  isUsed: true,
  rttMillis: 45
} as const
const direct = {
  id: 1,
  via: "direct, 192.0.2.1:4433",
  isDirect: true,
  state: "active",
  isUsed: true,
  rttMillis: 3.5
} as const

it("sums up what was answered, and when the way became direct", () => {
  const summary = new PingSummary()
  expect(summary.isEmpty).toBe(true)
  summary.saw([relayed], 40)
  for (const millis of [46, undefined, 4, 3]) summary.answered(millis)
  expect(describePing(summary.event)).toBe(
    "3 of 4 answered; min 3.00 ms, median 4.00 ms, max 46 ms; never direct"
  )
  summary.saw([{ ...direct, isUsed: false }, relayed], 900)
  expect(summary.event.directAfterMillis).toBeUndefined()
  summary.saw([direct, { ...relayed, state: "standby", isUsed: false }], 1200)
  summary.saw([direct], 5000)
  expect(summary.event).toMatchObject({ sent: 4, answered: 3, directAfterMillis: 1200 })
})

it("says each event on one line", () => {
  const lines = (
    [
      { event: "connected", peer: "0123456789abcdef", millis: 12, via: relayed.via },
      { event: "ping", number: 1, millis: 45.2, via: relayed.via },
      { event: "ping", number: 2, via: direct.via },
      { event: "paths", millis: 1200, paths: [direct, { ...relayed, state: "standby", isUsed: false }] },
      { event: "summary", sent: 1, answered: 0 }
    ] satisfies ReadonlyArray<PingEvent>
  ).map(describePing)
  expect(lines).toEqual([
    "Peer 0123456789abcdef answers after 12 ms (relayed, https://relay.test 0123456789abcdef)",
    "1  45 ms  relayed, https://relay.test 0123456789abcdef",
    "2  no answer  direct, 192.0.2.1:4433",
    "   after 1.2 s: path 1 in use (direct, 192.0.2.1:4433, RTT 3.50 ms); path 0 standby (relayed, https://relay.test 0123456789abcdef, RTT 45 ms)",
    "0 of 1 answered; min –, median –, max –; never direct"
  ])
})

it("measures the way to a sender, and says that it has gone", async () => {
  const directory = scratch()
  writeFileSync(join(directory, "file"), "content")
  const sender = startCli(["send", join(directory, "file"), "--host", "127.0.0.1"])
  const [, ticket] = await sender.printed(/effect-quic receive (\S+)\n/)
  const three = await runCli(["ping", ticket, "-c", "3", "-i", "0.01", "--json"])
  expect({ code: three.code, stderr: three.stderr }).toEqual({ code: 0, stderr: "" })
  const events: ReadonlyArray<PingEvent> = three.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))
  expect(events[0].event).toBe("connected")
  const pings = events.filter(({ event }) => event === "ping")
  expect(pings.map((event) => event.event === "ping" && event.number)).toEqual([1, 2, 3])
  expect(events.at(-1)).toMatchObject({ event: "summary", sent: 3, answered: 3 })
  // the address alone, without what is offered there
  const running = startCli(["ping", ticket.split(".")[0], "-i", "0.01"])
  await running.printed(/\n2 {2}\S+ .?s {2}direct, 127\.0\.0\.1:\d+\n/)
  sender.kill("SIGINT")
  const { code, stderr, stdout } = await running.finished
  expect(code).toBe(ExitCode.lost)
  expect(stdout).toMatch(/\d+ of \d+ answered; min .*\n$/)
  expect(stderr).toMatch(/^effect-quic: closed by the peer[^\n]*\n$/)
})
