/** The port on links that are small or slow: loopback interfaces of namespaces. */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"

const program = fileURLToPath(new URL("link.ts", import.meta.url))
const inNamespace = (command: string) =>
  spawnSync("unshare", ["--map-root-user", "--net", "sh", "-c", command], {
    encoding: "utf8",
    timeout: 30_000
  })
const slowly = "tc qdisc add dev lo root tbf rate 4mbit burst 8000 limit 1000000"

const run = (prepare: string, ...args: ReadonlyArray<string>): unknown => {
  const node = `${process.execPath} --no-warnings ${program} ${args.join(" ")}`
  const { stdout, stderr } = inNamespace(`${prepare} && exec ${node}`)
  expect(stderr).toBe("")
  return JSON.parse(stdout)
}

const hasNamespaces = inNamespace(`ip link set lo up && ${slowly}`).status === 0

describe.skipIf(!hasNamespaces)("a socket of node:ffi", () => {
  const tooLarge = (host: string, largest: number) =>
    expect(run("ip link set lo up mtu 1400", "sizes", host, String(largest))).toEqual({
      arrived: [0, 0, 1, 2, 0, 1].map((first) => [largest, first, 2]),
      sent: 6,
      sendTooLarge: 4,
      sendErrors: 0,
      lastError: expect.stringContaining("EMSGSIZE")
    })

  // RFC 9000 §14 #2 #3
  it("does not fragment: a datagram that is too large for its interface is counted, alone or in a train", () => {
    tooLarge("127.0.0.1", 1400 - 28)
    tooLarge("::1", 1400 - 48)
  })

  // RFC 9000 §14.2.1 #1 #3
  it("counts what the network says about sizes, and sends datagrams of any size as before", () => {
    expect(run("ip link set lo up", "tooBig")).toEqual({
      lastError: expect.stringMatching(/^the network carries packets of 600 bytes: 127\.0\.0\.1:\d+$/),
      socketErrors: 1,
      refused: 0,
      sizes: [100, 1400, 9000],
      sendTooLarge: 0
    })
  })

  it("is congested while the system has no room, keeps a bounded number, and wakes when they are sent", () => {
    const result = run(`ip link set lo up && ${slowly}`, "full") as { readonly sent: number }
    expect(result).toEqual({
      wasCongested: [false, true],
      wakes: 1,
      sent: expect.any(Number),
      sendDropped: 160 - result.sent,
      inOrder: true
    })
    // one train has left at once, and sixteen waited
    expect(result.sent).toBeGreaterThanOrEqual(17 * 4)
    expect(result.sent).toBeLessThan(160)
  })
})
