/** Where `get` puts what it fetches, and what it says. */
import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { ExitCode } from "../../src/cli/exitCodes.ts"
import { runCli, scratch, startServe } from "./runCli.ts"

/** Serves `a` and `b`; `get` runs in a directory of its own. */
const site = async () => {
  const directory = scratch()
  const [www, here] = [join(directory, "www"), join(directory, "here")]
  mkdirSync(www)
  mkdirSync(here)
  const content = randomBytes(300_000).toString("hex")
  writeFileSync(join(www, "a"), content)
  writeFileSync(join(www, "b"), "the other one")
  const { fingerprint, url } = await startServe(www)
  return {
    content,
    here,
    url,
    read: (name: string) => readFileSync(join(here, name), "utf8"),
    get: (...args: ReadonlyArray<string>) =>
      runCli(["get", ...args, "--pin-sha256", fingerprint], {
        cwd: here,
        // whose sockets cannot mark packets
        env: { EFFECT_QUIC_IO: "portable" }
      })
  }
}

it("writes to the file, the directory or the device that -o names", async () => {
  const { content, get, here, read, url } = await site()
  expect(await get(url("a"), "-o", "as.txt")).toMatchObject({ code: 0, stderr: "" })
  expect(await get(url("a"), "-o", "new/below.txt")).toMatchObject({ code: 0, stderr: "" })
  expect(await get(url("a"), "-o", "folder/")).toMatchObject({ code: 0, stderr: "" })
  expect(await get(url("a"), url("b"), "-o", "both")).toMatchObject({ code: 0, stderr: "" })
  for (const name of ["as.txt", "new/below.txt", "folder/a", "both/a"]) expect(read(name)).toBe(content)
  expect(read("both/b")).toBe("the other one")
  // forced, too, a device is not replaced
  expect(await get(url("a"), "-f", "-o", "/dev/null")).toMatchObject({ code: 0, stderr: "" })
  expect(existsSync("/dev/null.part")).toBe(false)
  expect(readdirSync(here).sort()).toEqual(["as.txt", "both", "folder", "new"])
})

it("writes one file to standard output, where nothing else goes", async () => {
  const { content, get, here, url } = await site()
  const { code, stderr, stdout } = await get(url("a"), "-o", "-")
  expect(code).toBe(0)
  expect(stdout).toBe(content)
  expect(stderr).toMatch(/^a +600 kB in .*\n {2}sha256:[0-9a-f]{64}\nTLS_/)
  expect(await get(url("a"), "-o", "-", "-q")).toMatchObject({ code: 0, stdout: content, stderr: "" })
  const two = await get(url("a"), url("b"), "-o", "-")
  expect(two).toMatchObject({
    code: ExitCode.usage,
    stderr: "effect-quic: -o -: standard output is for one file, not several\n"
  })
  expect(readdirSync(here)).toEqual([])
})

it("keeps the good files when one is missing or a server cannot be reached, and says so", async () => {
  const { content, get, here, read, url } = await site()
  const { code, stderr, stdout } = await get(url("a"), url("gone"), "https://nowhere.invalid/x", url("b"))
  expect(code).toBe(ExitCode.refused)
  const [missing, unknown, ...rest] = stderr.split("\n")
  expect(missing).toMatch(/^effect-quic: https:.*\/gone: the server has no such file/)
  expect(unknown).toMatch(/^effect-quic: cannot resolve nowhere\.invalid/)
  expect(rest).toEqual([""])
  expect(stdout).toMatch(/^a +600 kB/m)
  expect(read("a")).toBe(content)
  expect(readdirSync(here).sort()).toEqual(["a", "b"])
})

it("replaces nothing without --force", async () => {
  const { content, get, here, read, url } = await site()
  writeFileSync(join(here, "a"), "precious")
  writeFileSync(join(here, "c.part"), "another's")
  mkdirSync(join(here, "d"))
  mkdirSync(join(here, "d", "a"))
  const refused = await get(url("a"), url("b"))
  const line = "effect-quic: a is there already; --force replaces it\n"
  expect(refused).toMatchObject({ code: ExitCode.file, stderr: line })
  expect([read("a"), read("b")]).toEqual(["precious", "the other one"])
  expect(await get(url("a"), "-o", "c")).toMatchObject({
    code: ExitCode.file,
    stderr: "effect-quic: c.part is there already; --force replaces it\n"
  })
  expect(read("c.part")).toBe("another's")
  const directory = await get(url("a"), "-f", "-o", "d")
  expect(directory).toMatchObject({ code: ExitCode.file, stderr: "effect-quic: d/a is a directory\n" })
  expect(await get(url("a"), "--force")).toMatchObject({ code: 0, stderr: "" })
  expect(read("a")).toBe(content)
  expect(await get(url("a"), "--force", "-o", "c")).toMatchObject({ code: 0, stderr: "" })
  expect(readdirSync(here).sort()).toEqual(["a", "b", "c", "d"])
})

it("says less with -q, and more with -v", async () => {
  const { get, url } = await site()
  expect(await get(url("a"), "-q")).toMatchObject({ code: 0, stdout: "", stderr: "" })
  const { code, stderr, stdout } = await get(url("b"), "-v")
  expect(code).toBe(0)
  expect(stdout).toMatch(/^b +13 B/)
  const lines = stderr.trimEnd().split("\n")
  expect(lines).toHaveLength(3)
  expect(lines[0]).toMatch(/^connected to \S+:\d+ in .*: TLS_\w+/)
  expect(lines[1]).toBe("GET /b")
  expect(lines[2]).toMatch(/: \d+ packets sent, \d+ of them lost, \d+ received, ECN unsupported$/)
  const both = await get(url("b"), "-q", "-v")
  expect(both).toMatchObject({
    code: ExitCode.usage,
    stderr: "effect-quic: --quiet and --verbose exclude each other\n"
  })
})
