import { expect, it } from "vitest"
import { Duel } from "../connection/Duel.ts"

it("a connection closed by this side keeps its reason when a stateless reset follows", () => {
  const duel = new Duel({ victim: "client" }).shakeHands()
  duel.receive = () => {}
  duel.connection.close(5, "done", duel.nowMicros)
  duel.exchange()
  duel.connection.handleStatelessReset(duel.nowMicros)
  duel.exchange()
  expect(duel.connection.closeReason).toMatchObject({ origin: "local", code: 5 })
  expect(duel.events.filter(({ _tag }) => _tag === "closed").length).toBe(1)
  duel.advance(10_000_000)
  expect(duel.connection.lifecycle.state).toBe("closed")
})
