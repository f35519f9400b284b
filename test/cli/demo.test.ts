import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "vitest"
import { ExitCode } from "../../src/cli/exitCodes.ts"
import { eventually, isAlive, runCli, scratch, startCli } from "./runCli.ts"

const leftovers = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory).filter((name) => name.startsWith("effect-quic-demo-"))

it("sends a file to another process, with equal digests", async () => {
  const { code, stderr, stdout } = await runCli(["demo", "--size", "3MB"])
  expect(stderr).toBe("")
  expect(code).toBe(0)
  const [sent, received] = [...stdout.matchAll(/(?:Sent|Received) +sha256:([0-9a-f]{64})/g)].map(
    ([, hex]) => hex
  )
  expect(received).toBe(sent)
  for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80)
  expect(stdout.replaceAll(/\s+/g, " ")).toMatch(
    /3\.00 MB in .*bit\/s, TLS_\w+, x25519MlKem768, RTT .*s, datagrams of \d+ bytes, \d+ packets? of \d+ lost/
  )
  expect(stdout).toContain("The digests match.")
})

it("sends a given file, even an empty one", async () => {
  const directory = scratch()
  writeFileSync(join(directory, "empty"), "")
  const { code, stdout } = await runCli(["demo", "--file", join(directory, "empty")])
  expect(code).toBe(0)
  expect(stdout).toContain("Received sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
})

it("writes the secrets that decrypt a capture where SSLKEYLOGFILE says", async () => {
  const directory = scratch()
  const file = join(directory, "keys.log")
  const { code } = await runCli(["demo", "--size", "10kB"], { env: { SSLKEYLOGFILE: file } })
  expect(code).toBe(0)
  expect(readFileSync(file, "utf8")).toMatch(/^CLIENT_TRAFFIC_SECRET_0 [0-9a-f]{64} [0-9a-f]+$/m)
})

it("shows its endpoint before the file is prepared", async () => {
  const temporary = scratch()
  const demo = startCli(["demo", "--size", "2GB"], { env: { TMPDIR: temporary } })
  await demo.printed(/process \d+, UDP 127\.0\.0\.1:\d+/)
  const [directory] = leftovers(temporary)
  const prepared = statSync(join(temporary, directory, "served", "demo.bin"), { throwIfNoEntry: false })
  expect(prepared?.size ?? 0).toBeLessThan(1e9)
  demo.kill("SIGINT")
  expect((await demo.finished).code).toBe(130)
  expect(leftovers(temporary)).toEqual([])
})

it("ends on Ctrl-C during a transfer, stopping its server and deleting its files", async () => {
  const temporary = scratch()
  const demo = startCli(["demo", "--size", "300MB"], { env: { TMPDIR: temporary } })
  const [, pid] = await demo.printed(/process (\d+)/)
  await demo.printed(/connected/)
  expect(isAlive(Number(pid))).toBe(true)
  const interruptedAt = performance.now()
  demo.kill("SIGINT")
  const { code, stderr } = await demo.finished
  expect(performance.now() - interruptedAt).toBeLessThan(5000)
  expect(code).toBe(130)
  expect(stderr).toBe("")
  expect(isAlive(Number(pid))).toBe(false)
  expect(leftovers(temporary)).toEqual([])
})

it("leaves no server behind when it is killed", async () => {
  const temporary = scratch()
  const demo = startCli(["demo", "--size", "300MB"], { env: { TMPDIR: temporary } })
  const [, pid] = await demo.printed(/process (\d+)/)
  await demo.printed(/connected/)
  demo.kill("SIGKILL")
  expect(await eventually(() => !isAlive(Number(pid)))).toBe(true)
})

it("reports a missing file in one line", async () => {
  const missing = join(tmpdir(), "no", "such", "file")
  const { code, stderr, stdout } = await runCli(["demo", "--file", missing])
  expect({ code, stderr, stdout }).toEqual({
    code: ExitCode.file,
    stderr: `effect-quic: ${missing}: no such file or directory\n`,
    stdout: ""
  })
})
