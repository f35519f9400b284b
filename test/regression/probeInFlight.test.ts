/**
 * A probe on another route is not subject to congestion control. One that could not be padded, for lack of credit, was
 * once counted as in flight if the previously built packet was: on a route it never took.
 */
import { expect, it } from "vitest"
import { Duel, puppetAddress } from "../connection/Duel.ts"

it("a short path probe is not in flight, whatever was sent before it", () => {
  const duel = new Duel({ victim: "server" }).shakeHands()
  const { connection } = duel
  const { path } = connection
  const { routes, recovery } = path
  duel.receive = (datagram) => void duel.sent.push(datagram.length)
  path.peerIds.onNew(1, 0, new Uint8Array(8).fill(3), new Uint8Array(16).fill(4))
  connection.ping()
  duel.exchange()
  const before = recovery.bytesInFlight
  expect(before).toBeGreaterThan(0)
  const route = routes.make({ ...puppetAddress, port: 9 }, 0, false)
  route.onDatagramReceived(60)
  expect(routes.assignUnusedId(route)).toBe(true)
  routes.keep(route)
  route.validator.start(duel.nowMicros, recovery.ptoMicros())
  duel.sent.length = 0
  duel.exchange()
  expect(duel.sent[0]).toBeLessThan(180)
  expect(duel.sent.length).toBe(1)
  expect(recovery.bytesInFlight).toBe(before)
})
