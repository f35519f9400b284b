import { once } from "node:events"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Exit from "effect/Exit"
import * as net from "node:net"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { expect, it } from "vitest"
import * as NodeInspector from "../../layers/node/NodeInspector.ts"
import { pair } from "../api/pair.ts"
import { live, type Place } from "../api/World.ts"
import { runCli } from "./runCli.ts"

const { XDG_RUNTIME_DIR = os.tmpdir() } = process.env
const directory = path.join(XDG_RUNTIME_DIR, `effect-quic-${os.userInfo().username}`)

const tree = (...args: ReadonlyArray<string>) => runCli(["tree", ...args], { env: { XDG_RUNTIME_DIR } })

live.it("prints the trees of a running process, and no more once it has ended", (world) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const inspector = yield* Layer.buildWithScope(NodeInspector.layer, scope)
    const layer = Layer.merge(world.client.layer, Layer.succeedContext(inspector))
    const inspected: Place = { ...world.client, layer }
    const { near } = yield* Scope.provide(pair({ ...world, client: inspected }), scope)
    const stream = yield* near.openBidi.pipe(Scope.provide(scope))
    yield* stream.write(new Uint8Array(7))
    const { code, stdout, stderr } = yield* Effect.promise(() => tree("--pid", `${process.pid}`))
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    const lines = stdout.trimEnd().split("\n")
    expect(lines).toHaveLength(5)
    expect(lines[0]).toContain(`process ${process.pid} · `)
    expect(lines[1]).toContain("endpoint 127.0.0.1:")
    expect(lines[2].startsWith("└─ connection to 127.0.0.1:")).toBe(true)
    expect(lines[3].startsWith("   ├─ path 0 · 127.0.0.1:")).toBe(true)
    expect(lines[4].startsWith("   └─ stream 0 · ")).toBe(true)
    expect(lines[4]).toContain("sent 7 B")

    const json = yield* Effect.promise(() => tree("--json", "--pid", `${process.pid}`))
    expect(JSON.parse(json.stdout)).toMatchObject({
      pid: process.pid,
      endpoints: [{ connections: [{ role: "client", streams: [{ id: 0 }] }] }]
    })

    yield* Scope.close(scope, Exit.void)
    const after = yield* Effect.promise(() => tree("--pid", `${process.pid}`))
    expect(after).toMatchObject({ code: 1, stdout: "" })
    expect(after.stderr).toBe(`effect-quic: process ${process.pid} does not expose its tree\n`)
    expect(fs.readdirSync(directory).filter((name) => name.includes(`-${process.pid}-`))).toEqual([])
  })
)

it("skips processes that hang, send garbage or are dead, and deletes the sockets of dead ones", async () => {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
  const at = (name: string) => path.join(directory, name)
  const silent = net.createServer(() => {}).listen(at("effect-quic-4000001-0.sock"))
  const babbling = net.createServer((socket) => socket.end("]")).listen(at("effect-quic-4000002-0.sock"))
  await Promise.all([once(silent, "listening"), once(babbling, "listening")])
  // what a killed process leaves behind: a socket nobody listens on
  const dying = net.createServer().listen(at("dying"))
  await once(dying, "listening")
  fs.renameSync(at("dying"), at("effect-quic-4000003-0.sock"))
  await new Promise((resolve) => dying.close(resolve))
  const { code, stderr } = await tree("--pid", "4000003")
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: "effect-quic: process 4000003 does not expose its tree\n"
  })
  expect(fs.existsSync(at("effect-quic-4000003-0.sock"))).toBe(false)
  silent.close()
  babbling.close()
})
