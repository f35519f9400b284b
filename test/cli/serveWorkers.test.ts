import * as dgram from "node:dgram"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { runCli, scratch, startCli } from "./runCli.ts"

const freePort = async (): Promise<number> => {
  const socket = dgram.createSocket("udp4").bind(0, "127.0.0.1")
  await once(socket, "listening")
  const { port } = socket.address()
  socket.close()
  return port
}

it("serves from several threads with one certificate, shows the tree of each, and drains all", async () => {
  const directory = scratch()
  writeFileSync(join(directory, "a.txt"), "shared")
  const port = await freePort()
  const where = ["--host", "127.0.0.1", "--port", String(port)]
  const server = startCli(["serve", directory, ...where, "--workers", "3"])
  const [, fingerprint] = await server.printed(/sha256:([0-9a-f]{64})/)
  const get = ["get", `https://localhost:${port}/a.txt`, "--pin-sha256", fingerprint, "-o", scratch()]
  const gets = await Promise.all(Array.from({ length: 3 }, () => runCli([...get.slice(0, -1), scratch()])))
  expect(gets.map(({ code, stderr }) => ({ code, stderr }))).toEqual(Array(3).fill({ code: 0, stderr: "" }))
  const tree = await runCli(["tree", "--pid", String(server.process.pid)])
  expect([...tree.stdout.matchAll(/shard (\d)/g)].map(([, shard]) => shard)).toEqual(["0", "1", "2"])
  server.kill("SIGTERM")
  const { stdout } = await server.finished
  expect(stdout.match(/Serving/g)).toHaveLength(1)
  expect(stdout.match(/GET \/?a\.txt/g)).toHaveLength(3)
  expect(stdout).toContain("Stopped: ")
})

it("says which option is wrong, and why no thread could start", async () => {
  const directory = scratch()
  const run = (...args: ReadonlyArray<string>) => runCli(["serve", directory, ...args])
  const none = await run("--workers", "2", "--port", "0")
  expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining("--workers share a port") })
  const many = await run("--workers", "200")
  expect(many.stderr).toContain("a number from 1 to 128, not 200")
  const elsewhere = await run("--workers", "2", "--port", "4433", "--host", "192.0.2.1")
  expect(elsewhere.code).toBe(1)
  expect(elsewhere.stderr).toContain("no interface of this machine has this address")
})
