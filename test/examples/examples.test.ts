/** Runs the examples and checks their output. */
import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { expect, it } from "vitest"

const root = new URL("../../", import.meta.url).pathname

const run = (name: string): Promise<{ error: string | undefined; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    // node:ffi is experimental, and says so
    const args = ["--disable-warning=ExperimentalWarning", `${root}examples/${name}.ts`]
    execFile(process.execPath, args, { timeout: 120_000 }, (error, stdout, stderr) =>
      resolve({ error: error?.message, stdout, stderr })
    )
  })

const outputs: Record<string, RegExp> = {
  first: /^hello, QUIC\n$/,
  handlers:
    /^.*stream \d+ failed.*impossible \{ peer: '127.*', connection: '[0-9a-f]{16}', stream: \d+ \}\none: ONE\ntwo: TWO\nthe impossible: reset, code 0\nthree: THREE\n$/,
  datagrams: /^20 readings received\n\d+ readings sent\n$/,
  carrier: /^noon in Kiel\nthe ship is at 54, 10\nyou said: hello\n$/,
  rawKeys:
    /^Bob talks to Alice: true\nAlice talks to Bob: true\nMallory: handshake refused by the peer .*not among the known ones\n$/,
  dial: /^Bob's ticket begins with quicpeer\nhello, Bob\nit was Bob: true\nBob is not Mallory: true\n$/,
  bootstrap:
    /^the node sees what the socket says: true\nboth see the same, as there is no NAT: true\nthe second one is gone: connecting\nasked: 1 connection\n$/,
  interruption:
    /^slow: None\nrace: thought for 5 ms\nnobody: no handshake with 127\.0\.0\.1:9 in time.*\nwrong: transport\.maxIdleTimeout: .*\n$/,
  cancellation: /^(\w+: nothing is left\n){11}and all of the stream has arrived\n$/,
  resumption:
    /^first visit +resumed: false, early data: none\nsecond visit +resumed: true, early data: accepted\n$/,
  reconnect: /^balance\? pay 5: early data none\nbalance\? pay 5: early data accepted\n$/,
  liveness:
    /^after ten minutes at 5 % loss: Alive, phi 0\.0\nAnna gives Bert up after 4\.\d s of silence\nBert hears: closed by the peer with code 1162936323: your shards have been moved\n$/,
  migration:
    /^1 Requested ActiveMigration Pending\n2 PathValidated ActiveMigration Pending\n3 Committed ActiveMigration Complete\nmoved: true, and active\n$/,
  roaming:
    /^the phone is at 10\.1\.0\.2\nthe phone is at 10\.2\.0\.2\nthe phone is at 10\.1\.0\.2\n10000000 bytes over one connection\n$/,
  twoPaths:
    /^Wi-Fi alone: 4\d Mbit\/s\nWi-Fi and mobile: [56]\d Mbit\/s\nWi-Fi lost after half a second: 2\d Mbit\/s\npath 0 is silent, path 1 carries\n$/,
  shards: /^moved, and still served by the same of 2 threads: true\n1 connection in all\n$/,
  faults: /^1\d answers in 20 s, at most \d{4} ms apart\n$/,
  peer: /^there\?\nendpoint .*\n└─ peer echo · connected · .*\n {3}└─ connection to 127\.0\.0\.1:\d+ · [0-9a-f]{16,40} · established .*\n(.*\n)+there again\?\nit was Connecting, Connected, Closed\n$/,
  otlp: /^spans: quic\.connect, quic\.handshake, quic\.stream\nmetrics: \d\d\nlogs: stream 0 failed\n$/,
  native: /^node:dgram and node:crypto: \d+ Mbit\/s\nnode:ffi: \d+ Mbit\/s\n$/,
  prometheus:
    /^quic_endpoint_handshakes_completed\{.*\} 1\nquic_endpoint_connections_active\{.*\} 1\nquic_path_rtt_smoothed\{.*quic_role="server".*\} 0\.\d+\n$/,
  relay: /^ping: 200\nquic_relay_clients\{.*\} 0\n\{ left: 0, cutOff: 0 \}\n$/,
  rpc: /^HTTP: (sunny, it is under water, 24 hours)\nQUIC: \1\n$/,
  rpcSimulated:
    /^10000 ticks at 5 % loss\ncut off: .*silent for the idle timeout\na price of 6, \d\.\d s after the network healed\n$/,
  // each that watches says so, or hears it from storage first; on a slow machine the reason may be that of an attempt to reconnect
  cluster:
    /^Anna and Bert have 20 accounts\n(?:.* WARN .*A runner cannot be reached: .*\n)+Anna is gone, Bert has 20; every deposit is there: true\n$/,
  replication: /^1000 keys restored\nkey 500 is 500\nthe leader knows that all is applied\n$/,
  chat: /^Anna is typing\nBert hears Anna: hello, Bert\nAnna hears Anna: hello, Bert\nAnna hears Bert: hello, Anna\nAnna has left\n$/,
  partition: /^apart: 10, 20, 20\ntogether: 30, 30, 30\n$/,
  traversal:
    /^connected through the relay\n {2}Coordination: gathered\n {2}Synchronization: candidatesExchanged\n(?: {2}.*\n)* {2}Connected: pathValidated\nconnected directly, after \d+ ms\n1 round, 1 of 2 addresses answered\n$/,
  simulator: /^2000000 bytes in \d+\.\d s of virtual time\n$/
}

it.each(Object.entries(outputs))("%s prints what it should, and exits", async (name, output) => {
  const { error, stderr, stdout } = await run(name)
  expect(stderr).toBe("")
  expect(error).toBe(undefined)
  expect(stdout).toMatch(output)
})

it.each(["simulator", "faults", "rpcSimulated"])("%s prints the same every time", async (name) => {
  expect(await run(name)).toEqual(await run(name))
})

it("every example is run", () => {
  // imported by other examples
  const shared = ["loopback", "counter", "clusterDatabase"]
  const all = readdirSync(`${root}examples`).map((file) => file.replace(/\.ts$/, ""))
  expect(all.filter((name) => !shared.includes(name)).sort()).toEqual(Object.keys(outputs).sort())
})

it("first is the README's program, of at most 15 lines and what runs it", () => {
  const example = readFileSync(`${root}examples/first.ts`, "utf8")
  const [program] = /^const program = [\s\S]*$/m.exec(example)!
  expect(program.slice(0, program.indexOf("\n})\n") + 3).split("\n").length).toBeLessThanOrEqual(15)
  expect(readFileSync(`${root}README.md`, "utf8")).toContain(program)
})
