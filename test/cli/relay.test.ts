import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { runCli, scratch, startCli } from "./runCli.ts"

const startRelay = (...args: ReadonlyArray<string>) =>
  startCli(["relay", "--http", "--host", "127.0.0.1", "--port", "0", "--qad-port", "0", ...args])

it("says where it is, answers, has metrics, and stops in good order at SIGTERM", async () => {
  const relay = startRelay("--metrics-port", "0")
  const [, url] = await relay.printed(/Relaying at +(\S+)/)
  const [, metrics] = await relay.printed(/Metrics +(\S+)/)
  expect(relay.stdout).toMatch(/Addresses +told at 127\.0\.0\.1:\d+, UDP/)
  expect((await fetch(new URL("/ping", url))).status).toBe(200)
  expect((await fetch(new URL("/relay", url))).status).toBe(426)
  const text = await (await fetch(metrics)).text()
  expect(text).toMatch(/quic_relay_clients\{[^}]*\} 0/)
  // the endpoint of address discovery too
  expect(text).toContain("quic_endpoint_packets_received")
  relay.kill("SIGTERM")
  const { code, stderr, stdout } = await relay.finished
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  expect(stdout).toMatch(/Stopping: 0 clients told[^\n]*\nStopped: 0 left, 0 cut off; 0 B relayed\.\n$/)
})

it("prints events as JSON", async () => {
  const relay = startRelay("--json", "--no-qad")
  const [line] = await relay.printed(/.*\n/)
  expect(JSON.parse(line)).toMatchObject({
    event: "listening",
    url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/$/)
  })
  relay.kill("SIGTERM")
  const { stdout } = await relay.finished
  const events = stdout.trimEnd().split("\n")
  expect(events.map((event) => JSON.parse(event).event)).toEqual(["listening", "draining", "drained"])
})

it("says in one line what is wrong with an option", async () => {
  const directory = scratch()
  const keys = join(directory, "keys")
  writeFileSync(keys, `# friends\n${"ab".repeat(32)} # Anna\nabc\n`)
  const wrong: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
    [[], "give a certificate, --cert FILE --key FILE, or --http to run without TLS"],
    [["--http", "--key", keys], "--http has no certificate"],
    [["--key", keys], "--key needs its certificate"],
    [["--http", "--max-clients", "0"], "--max-clients: "],
    [["--http", "--max-burst", "1"], "--max-burst: "],
    [["--http", "--allow", keys], "line 3 is neither a key of 64 hex digits nor a ticket: abc"],
    [["--http", "--allow", join(directory, "none")], "none: no such file"],
    [["--http", "--port", "70000"], "--port: "],
    [["--http", "--url", "relay.example.org"], "--url: "]
  ]
  for (const [args, message] of wrong) {
    const { code, stderr } = await runCli(["relay", "--qad-port", "0", ...args])
    expect(code, stderr).toBeGreaterThan(0)
    expect(stderr).toContain(message)
    expect(stderr.trimEnd().split("\n")).toHaveLength(1)
  }
})
