import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { expect, it } from "vitest"
import { runCli, scratch, startCli } from "./runCli.ts"

it("measures goodput in both directions and call latency, as text and as JSON", async () => {
  const server = startCli(["perf", "server", "--host", "127.0.0.1", "--port", "0"])
  const [, port] = await server.printed(/127\.0\.0\.1:(\d+)\./)
  const [, fingerprint] = await server.printed(/sha256:([0-9a-f]{64})/)
  const load = ["--download", "2MB", "--upload", "1MB", "--calls", "50", "--concurrency", "5"]
  const client = ["perf", "client", `127.0.0.1:${port}`, "--pin-sha256", fingerprint, ...load]

  const table = await runCli(client)
  expect({ code: table.code, stderr: table.stderr }).toEqual({ code: 0, stderr: "" })
  expect(table.stdout).toMatch(/^Download .*bit\/s +\(2\.00 MB in/m)
  expect(table.stdout).toMatch(/^Upload .*bit\/s +\(1\.00 MB in/m)
  expect(table.stdout).toMatch(/^Calls +p50 .*s, p99 .*s, \d+\/s +\(50, 5 at a time, 64 B each way\)/m)

  const { calls, download, upload } = JSON.parse((await runCli([...client, "--json"])).stdout)
  expect([download.bytes, upload.bytes, calls.calls]).toEqual([2_000_000, 1_000_000, 50])
  expect(download.bitsPerSecond).toBeGreaterThan(1_000_000)
  expect(calls.p50Millis).toBeLessThanOrEqual(calls.p99Millis)
})

it("measures for a time, over several streams, and tells of each second", async () => {
  const server = startCli(["perf", "server", "--host", "127.0.0.1", "--port", "0"])
  const [, port] = await server.printed(/127\.0\.0\.1:(\d+)\./)
  const [, fingerprint] = await server.printed(/sha256:([0-9a-f]{64})/)
  const client = ["perf", "client", `127.0.0.1:${port}`, "--pin-sha256", fingerprint, "--calls", "0"]
  const table = await runCli([...client, "-t", "3", "-P", "3", "--upload", "0"])
  expect({ code: table.code, stderr: table.stderr }).toEqual({ code: 0, stderr: "" })
  expect(table.stdout).toMatch(/^ +0\.0–\d+\.\d s {2}download {2}.*bit\/s {2}\(.*B\)$/m)
  expect(table.stdout).toMatch(/^Download .*bit\/s/m)

  const json = await runCli([...client, "-t", "3", "-P", "3", "--download", "0", "--json"])
  const { download, upload } = JSON.parse(json.stdout)
  expect(download).toBeUndefined()
  expect(upload.millis).toBeGreaterThanOrEqual(2990)
  expect(upload.streams).toBe(3)
  expect(upload.intervals.length).toBeGreaterThan(0)
  const within = upload.intervals.reduce((sum: number, { bytes }: { bytes: number }) => sum + bytes, 0)
  expect(within).toBeGreaterThan(0)
  expect(within).toBeLessThanOrEqual(upload.bytes)

  const refused = await runCli([...client, "-P", "129"])
  expect(refused.stderr).toContain("1 to 128 streams, not 129")
})

it("measures over several paths at once, and says what each has carried", async () => {
  const server = startCli(["perf", "server", "--host", "127.0.0.1", "--port", "0"])
  const [, port] = await server.printed(/127\.0\.0\.1:(\d+)\./)
  const [, fingerprint] = await server.printed(/sha256:([0-9a-f]{64})/)
  const load = ["--download", "2MB", "--upload", "2MB", "--calls", "0", "--from", "127.0.0.1"]
  const client = ["perf", "client", `127.0.0.1:${port}`, "--pin-sha256", fingerprint, ...load]
  const table = await runCli([...client, "--paths", "3"])
  expect({ code: table.code, stderr: table.stderr }).toEqual({ code: 0, stderr: "" })
  const rows = [
    ...table.stdout.matchAll(/^Path (\d) +received (.*), sent (.*) \(127\.0\.0\.1:(\d+), active, RTT /gm)
  ]
  expect(rows.map(([, id]) => id)).toEqual(["0", "1", "2"])
  expect(new Set(rows.map(([, , , , from]) => from)).size).toBe(3)

  const { paths } = JSON.parse((await runCli([...client, "--paths", "3", "--json"])).stdout)
  const sum = (of: "bytesReceived" | "bytesSent") =>
    paths.reduce((total: number, path: Record<typeof of, number>) => total + path[of], 0)
  for (const of of ["bytesReceived", "bytesSent"] as const) expect(sum(of)).toBeGreaterThan(2_000_000)
  for (const path of paths) expect(path.bytesReceived).toBeGreaterThan(20_000)

  const refused = await runCli([...client, "--paths", "9"])
  expect(refused.code).not.toBe(0)
  expect(refused.stderr).toContain("1 to 8 paths, not 9")
})

/** The directories the interop runner mounts for a server and a client. */
const runnerRoot = async () => {
  const root = scratch()
  for (const name of ["certs", "www", "downloads"]) mkdirSync(join(root, name))
  await runCli(["keygen", "--out", join(root, "certs")])
  copyFileSync(join(root, "certs", "server.crt"), join(root, "certs", "cert.pem"))
  copyFileSync(join(root, "certs", "server.crt"), join(root, "certs", "ca.pem"))
  copyFileSync(join(root, "certs", "server.key"), join(root, "certs", "priv.key"))
  return root
}

const testCases = [
  "handshake",
  "transfer",
  "multiplexing",
  "multiconnect",
  "retry",
  "resumption",
  "zerortt",
  "chacha20",
  "keyupdate",
  "v2"
]
/** Connections used for two files, if not one. */
const connectionCounts: Record<string, number> = { multiconnect: 2, resumption: 2, zerortt: 2 }

it.each(testCases)("passes the interop runner's %s against itself", async (testCase) => {
  const root = await runnerRoot()
  const names = testCase === "multiplexing" ? Array.from({ length: 40 }, (_, i) => `f${i}`) : ["x", "y"]
  for (const name of names) writeFileSync(join(root, "www", name), randomBytes(20_000))
  const env = (more: Record<string, string>) => ({ env: { TESTCASE: testCase, ...more } })
  const server = startCli(["interop", "--root", root, "--port", "0"], env({ ROLE: "server" }))
  const [, port] = await server.printed(/"port":(\d+)/)
  const REQUESTS = names.map((name) => `https://localhost:${port}/${name}`).join(" ")
  const { code, stderr } = await runCli(["interop", "--root", root], env({ ROLE: "client", REQUESTS }))
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  for (const name of names)
    expect(readFileSync(join(root, "downloads", name)).equals(readFileSync(join(root, "www", name)))).toBe(
      true
    )
  const connections = server.stdout.match(/"event":"connected"/g)?.length
  expect(connections).toBe(connectionCounts[testCase] ?? 1)
  if (testCase === "chacha20") expect(server.stdout).toContain("TLS_CHACHA20_POLY1305_SHA256")
})

it("exits with code 127 for test cases the interop runner must skip", async () => {
  for (const ROLE of ["client", "server"]) {
    const { code } = await runCli(["interop"], { env: { ROLE, TESTCASE: "teleportation" } })
    expect(code).toBe(127)
  }
})
