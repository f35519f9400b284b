import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { randomBytes } from "node:crypto"
import { expect, it } from "vitest"
import { ExitCode } from "../../src/cli/exitCodes.ts"
import { eventually, isAlive, runCli, scratch, startCli, startServe } from "./runCli.ts"

/** A directory to serve, next to a secret that must not be served. */
const site = () => {
  const directory = scratch()
  const www = join(directory, "www")
  const downloads = join(directory, "downloads")
  mkdirSync(join(www, "deep", "er"), { recursive: true })
  mkdirSync(downloads)
  const write = (name: string, bytes: Uint8Array | string) => writeFileSync(join(www, name), bytes)
  write("a.bin", randomBytes(1_000_000))
  write("b.bin", randomBytes(70_000))
  write("empty", "")
  write("with space", "a name with a space")
  write("deep/er/c", "below")
  writeFileSync(join(directory, "secret"), "not to be had")
  symlinkSync(join(directory, "secret"), join(www, "link-out"))
  symlinkSync(directory, join(www, "directory-out"))
  symlinkSync("a.bin", join(www, "link-inside"))
  return { directory, www, downloads }
}

const sameFile = (a: string, b: string) => expect(readFileSync(a).equals(readFileSync(b))).toBe(true)

it("fetches files of any size and name over one connection", async () => {
  const { downloads, www } = site()
  const { fingerprint, server, url } = await startServe(www)
  const urls = ["a.bin", "b.bin", "empty", "with%20space", "deep/er/c", "link-inside"].map(url)
  const { code, stderr, stdout } = await runCli([
    "get",
    ...urls,
    "--pin-sha256",
    fingerprint,
    "-o",
    downloads
  ])
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  for (const name of ["a.bin", "b.bin", "empty", "with space"])
    sameFile(join(www, name), join(downloads, name))
  sameFile(join(www, "deep/er/c"), join(downloads, "c"))
  sameFile(join(www, "a.bin"), join(downloads, "link-inside"))
  expect(readdirSync(downloads).length).toBe(6)
  expect(stdout).toMatch(/a\.bin +1\.00 MB in .*\n {2}sha256:[0-9a-f]{64}/)
  expect(server.stdout.match(/ connected/g)?.length).toBe(1)
})

it.each([
  ["a missing file", "missing"],
  ["a directory", "deep/er"],
  ["a link out of the directory", "link-out"],
  ["a file below a link out of the directory", "directory-out/secret"]
])("rejects %s in one line, and leaves no file behind", async (_what, path) => {
  const { downloads, www } = site()
  const { fingerprint, server, url } = await startServe(www)
  const { code, stderr } = await runCli(["get", url(path), "--pin-sha256", fingerprint, "-o", downloads])
  expect(code).toBe(ExitCode.refused)
  expect(stderr).toMatch(/^effect-quic: [^\n]*no such file, or does not serve it[^\n]*\n$/)
  expect(readdirSync(downloads)).toEqual([])
  await server.printed(/refused/)
})

it("serves with a certificate from keygen, to clients that pin it or trust it as a CA", async () => {
  const { directory, downloads, www } = site()
  const keys = join(directory, "keys")
  const keygen = await runCli(["keygen", "--out", keys])
  expect(keygen.code).toBe(0)
  const [certificate, key] = [join(keys, "server.crt"), join(keys, "server.key")]
  const { fingerprint, url } = await startServe(www, "--cert", certificate, "--key", key)
  expect(keygen.stdout).toContain(`sha256:${fingerprint}`)
  for (const [flag, value] of [
    ["--pin", certificate],
    ["--ca", certificate],
    ["--pin-sha256", fingerprint]
  ]) {
    const { code, stderr } = await runCli(["get", url("b.bin"), flag, value, "-f", "-o", downloads])
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  }
})

it("serves with a raw public key from keygen", async () => {
  const { directory, downloads, www } = site()
  expect((await runCli(["keygen", "--raw", "--out", directory])).code).toBe(0)
  const { fingerprint, url } = await startServe(www, "--key", join(directory, "peer.key"))
  for (const trust of [
    ["--pin", join(directory, "peer.pub")],
    ["--pin-sha256", fingerprint]
  ]) {
    const { code, stderr } = await runCli(["get", url("b.bin"), ...trust, "-f", "-o", downloads])
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  }
})

it("reports a certificate problem in one line", async () => {
  const { directory, downloads, www } = site()
  await runCli(["keygen", "--host", "elsewhere.test", "--out", directory])
  const certificate = join(directory, "server.crt")
  const { url } = await startServe(www, "--cert", certificate, "--key", join(directory, "server.key"))
  const unknown = await runCli(["get", url("b.bin"), "-o", downloads])
  expect(unknown.code).toBe(ExitCode.untrusted)
  expect(unknown.stderr).toMatch(/^effect-quic: handshake refused by this side[^\n]*\n$/)
  const wrongName = await runCli(["get", url("b.bin"), "--pin", certificate, "-o", downloads])
  expect(wrongName.code).toBe(ExitCode.untrusted)
  expect(wrongName.stderr).toMatch(/^effect-quic: [^\n]*elsewhere\.test[^\n]*localhost[^\n]*\n$/)
})

it("reports within seconds that nobody listens on a port", async () => {
  const { code, millis, stderr } = await runCli([
    "get",
    "https://127.0.0.1:9/x",
    "--insecure-accept-any-peer"
  ])
  expect(code).toBe(ExitCode.unreachable)
  // the network says so, but only node:ffi tells
  const refused = /cannot reach 127\.0\.0\.1:9: nobody listens there \(the network reports ECONNREFUSED\)\n$/
  const silent = /no handshake with 127\.0\.0\.1:9 in time; is a QUIC server listening there\?\n$/
  expect(refused.test(stderr) || silent.test(stderr)).toBe(true)
  expect(millis).toBeLessThan(12_000)
})

it.each([
  [
    "a host that does not exist",
    ExitCode.unreachable,
    ["get", "https://nowhere.invalid/x"],
    /cannot resolve nowhere\.invalid/
  ],
  [
    "a missing certificate file",
    ExitCode.file,
    ["get", "https://localhost/x", "--pin", "/no/such"],
    /\/no\/such: no such file/
  ],
  ["a malformed URL", ExitCode.usage, ["get", "https://:x:/"], /not a URL/],
  [
    "a URL whose file name would leave the directory",
    ExitCode.usage,
    ["get", "https://localhost/..%2fx"],
    /in a file name/
  ],
  ["another URL scheme", ExitCode.usage, ["get", "ftp://localhost/x"], /expected https/],
  [
    "two kinds of trust at once",
    ExitCode.usage,
    ["get", "https://localhost/x", "--pin", "/a", "--ca", "/b"],
    /exclude each other/
  ],
  [
    "a malformed fingerprint",
    ExitCode.usage,
    ["get", "https://localhost/x", "--pin-sha256", "12"],
    /64 hex digits/
  ],
  ["a missing directory", ExitCode.usage, ["serve", "/no/such"], /does not exist/],
  ["a certificate without a key", ExitCode.usage, ["serve", ".", "--cert", "/a.crt"], /--key FILE/],
  ["an unknown flag", ExitCode.usage, ["get", "https://localhost/x", "--bogus"], /--bogus/],
  ["an unknown command", ExitCode.usage, ["fetch"], /Unknown subcommand/]
] as const)("reports %s in one line", async (_what, expected, args, message) => {
  const { code, stderr, stdout } = await runCli(args)
  expect(code).toBe(expected)
  expect(stdout).toBe("")
  expect(stderr).toMatch(message)
  expect(stderr).toMatch(/^effect-quic: [^\n]+\n$/)
})

it("reports that a port is in use", async () => {
  const { www } = site()
  const { port } = await startServe(www)
  const { code, stderr } = await runCli(["serve", www, "--host", "127.0.0.1", "--port", `${port}`])
  expect(code).toBe(1)
  expect(stderr).toMatch(/^effect-quic: [^\n]*the port is in use[^\n]*\n$/)
})

it("leaves no partial file when get is interrupted, and the server keeps serving", async () => {
  const { downloads, www } = site()
  writeFileSync(join(www, "large"), Buffer.alloc(200_000_000))
  const { fingerprint, server, url } = await startServe(www)
  const get = startCli(["get", url("large"), "--pin-sha256", fingerprint, "-o", downloads])
  const started = () => {
    try {
      return readdirSync(downloads).includes("large.part")
    } catch {
      return false
    }
  }
  expect(await eventually(started)).toBe(true)
  const interruptedAt = performance.now()
  get.kill("SIGINT")
  const { code, stderr } = await get.finished
  const line = "effect-quic: interrupted; 0 of 1 file complete, nothing is left of the rest\n"
  expect({ code, stderr }).toEqual({ code: 130, stderr: line })
  expect(performance.now() - interruptedAt).toBeLessThan(3000)
  expect(readdirSync(downloads)).toEqual([])
  await server.printed(/left a request unfinished: .*disconnected/s)
  expect((await runCli(["get", url("b.bin"), "--pin-sha256", fingerprint, "-o", downloads])).code).toBe(0)
})

it("ends a server on the second Ctrl-C during a transfer, and tells the client", async () => {
  const { downloads, www } = site()
  writeFileSync(join(www, "large"), Buffer.alloc(200_000_000))
  const { fingerprint, server, url } = await startServe(www)
  const get = startCli(["get", url("large"), "--pin-sha256", fingerprint, "-o", downloads])
  await server.printed(/ connected/)
  const interruptedAt = performance.now()
  server.kill("SIGINT")
  await server.printed(/Stopping: 1 connection, at most 10 s\./)
  server.kill("SIGINT")
  const stopped = await server.finished
  expect({ code: stopped.code, stderr: stopped.stderr }).toEqual({ code: 130, stderr: "" })
  expect(isAlive(server.process.pid!)).toBe(false)
  const { code, stderr } = await get.finished
  expect(performance.now() - interruptedAt).toBeLessThan(5000)
  expect(code).toBe(ExitCode.lost)
  expect(stderr).toMatch(/^effect-quic: closed by the peer[^\n]*\n$/)
})

it("lets transfers finish on SIGTERM, refuses newcomers meanwhile, and says what it did", async () => {
  const { downloads, www } = site()
  const large = randomBytes(100_000_000)
  writeFileSync(join(www, "large"), large)
  const { fingerprint, server, url } = await startServe(www, "--drain", "60")
  const get = startCli(["get", url("large"), "--pin-sha256", fingerprint, "-o", downloads])
  await server.printed(/ connected/)
  // or the transfer would be over before another process has started
  get.kill("SIGSTOP")
  server.kill("SIGTERM")
  await server.printed(/Stopping: 1 connection, at most 60 s\./)
  const late = await runCli(["get", url("b.bin"), "--pin-sha256", fingerprint, "-o", downloads])
  get.kill("SIGCONT")
  expect(late.stderr).toContain("the server is shutting down")
  expect((await get.finished).code).toBe(0)
  expect(readFileSync(join(downloads, "large")).equals(large)).toBe(true)
  const { code, stdout, stderr } = await server.finished
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  expect(stdout).toMatch(/GET \/large[^\n]*\n(.*\n)*Stopped: 1 connection finished, 0 cut off\.\n$/)
})

it("stops at once on the first Ctrl-C when nobody is connected, and at the deadline when somebody is", async () => {
  const { downloads, www } = site()
  writeFileSync(join(www, "large"), Buffer.alloc(200_000_000))
  const idle = await startServe(www)
  idle.server.kill("SIGINT")
  expect(await idle.server.finished).toMatchObject({ code: 0, stderr: "" })
  const { fingerprint, server, url } = await startServe(www, "--drain", "0")
  const get = startCli(["get", url("large"), "--pin-sha256", fingerprint, "-o", downloads])
  await server.printed(/ connected/)
  server.kill("SIGTERM")
  const { code, stdout } = await server.finished
  expect(code).toBe(0)
  expect(stdout).toMatch(
    /Stopping: 1 connection, at most 0 s\..*\n(.*\n)*Stopped: 0 connections finished, 1 cut off\.\n$/
  )
  const { stderr } = await get.finished
  expect(stderr).toMatch(/closed by the peer with code 0: the endpoint is shutting down\n$/)
})
