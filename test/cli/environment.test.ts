/** Logs requested by environment variables, and errors when they cannot be written. */
import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import * as NodeKeyLog from "../../layers/node/NodeKeyLog.ts"
import * as NodeQlog from "../../layers/node/NodeQlog.ts"
import { runCli, scratch } from "./runCli.ts"

it("reports in one line why QLOGDIR or SSLKEYLOGFILE cannot be written", async () => {
  const directory = scratch()
  const file = join(directory, "a file")
  writeFileSync(file, "")
  const environments: ReadonlyArray<readonly [Record<string, string>, string]> = [
    [{ QLOGDIR: file }, `QLOGDIR: cannot write to ${file}: not a directory, or part of the path is not`],
    [
      { QLOGDIR: join(file, "x") },
      `QLOGDIR: cannot write to ${join(file, "x")}: not a directory, or part of the path is not`
    ],
    // where Node's recursive mkdir never returns
    [{ QLOGDIR: "/proc/nowhere" }, "QLOGDIR: cannot write to /proc/nowhere: no such file or directory"],
    [{ SSLKEYLOGFILE: directory }, `SSLKEYLOGFILE: cannot write to ${directory}: is a directory`]
  ]
  for (const [env, line] of environments) {
    const { code, stderr, stdout } = await runCli(["demo", "--size", "10kB"], { env })
    expect({ code, stderr, stdout }).toEqual({ code: 1, stderr: `effect-quic: ${line}\n`, stdout: "" })
  }
})

it.each([
  ["get", "https://localhost/x"],
  ["perf", "client", "localhost:1"],
  ["serve", ".", "--workers", "2"],
  ["send", "."],
  ["top"]
])("says in one line that QLOGDIR cannot be written: %s", async (...args) => {
  const { code, stderr, stdout } = await runCli(args, { env: { QLOGDIR: "/proc/nowhere" } })
  const line = "effect-quic: QLOGDIR: cannot write to /proc/nowhere: no such file or directory\n"
  expect({ code, stderr, stdout }).toEqual({ code: 1, stderr: line, stdout: "" })
})

it.each([[], ["--version"], ["--help"], ["get", "-h"]])(
  "helps whatever the environment asks for: %s",
  async (...args) => {
    const env = { QLOGDIR: "/proc/nowhere", SSLKEYLOGFILE: "/proc/nowhere", EFFECT_QUIC_IO: "quick" }
    const { code, stderr, stdout } = await runCli(args, { env })
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(stdout).toContain("effect-quic")
  }
)

it("takes sockets and cryptography by node:ffi unless EFFECT_QUIC_IO says otherwise", async () => {
  const transfer = (io: string, ...flags: ReadonlyArray<string>) =>
    runCli(["demo", "--size", "10kB"], { env: { EFFECT_QUIC_IO: io }, flags })
  for (const io of ["", "portable", "ffi"]) {
    const { code, stderr, stdout } = await transfer(io)
    expect({ code, stderr }, io).toEqual({ code: 0, stderr: "" })
    expect(stdout).toContain("The digests match.")
  }
  const quick = await transfer("quick")
  expect(quick).toMatchObject({
    code: 1,
    stderr: "effect-quic: EFFECT_QUIC_IO=quick: can only be portable or ffi\n",
    stdout: ""
  })
  const why = `node:ffi (Node ${process.versions.node} does not have it, or it is switched off)`
  const off = "--no-experimental-ffi"
  expect(await transfer("ffi", off)).toMatchObject({
    code: 1,
    stderr: `effect-quic: EFFECT_QUIC_IO=ffi: there is no ${why}\n`
  })
  expect(await transfer("portable", off)).toMatchObject({ code: 0, stderr: "" })
  const fallback = await transfer("", off)
  expect(fallback.code).toBe(0)
  expect(fallback.stderr).toContain(`effect-quic: the portable layer takes the place of ${why}\n`)
})

it("makes secrets and qlog readable by their owner only", async () => {
  const directory = scratch()
  const env = { SSLKEYLOGFILE: join(directory, "keys.log"), QLOGDIR: join(directory, "new", "qlog") }
  const { code } = await runCli(["demo", "--size", "10kB"], { env })
  expect(code).toBe(0)
  const logs = readdirSync(env.QLOGDIR).map((name) => join(env.QLOGDIR, name))
  expect(logs).toHaveLength(2)
  for (const path of [env.SSLKEYLOGFILE, ...logs]) expect(statSync(path).mode & 0o777).toBe(0o600)
})

it("keeps connections running when a log becomes unwritable, and reports it once", () => {
  const directory = scratch()
  const problems: Array<string> = []
  const logs = join(directory, "logs")
  const begin = NodeQlog.toDirectory(logs, (problem) => problems.push(problem))
  const append = begin("abcd_client")
  append("first")
  const path = join(logs, "abcd_client.sqlog")
  // root can write read-only files, but nobody can append to a directory
  const blocked = join(directory, "keys")
  mkdirSync(blocked)
  chmodSync(blocked, 0o500)
  const line = NodeKeyLog.toFile(blocked, (problem) => problems.push(problem))
  line("CLIENT_RANDOM")
  line("CLIENT_RANDOM")
  expect(statSync(path).size).toBe(5)
  expect(problems).toEqual([`cannot write to ${blocked}: is a directory`])
})
