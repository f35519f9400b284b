import { describe, expect, it } from "vitest"
import {
  isReceiveTerminal,
  ReceiveEvent,
  ReceiveState,
  receiveTransitions
} from "../../src/stream/receiveState.ts"
import { isSendTerminal, SendEvent, SendState, sendTransitions } from "../../src/stream/sendState.ts"

const print = (
  states: Record<string, number>,
  events: Record<string, number>,
  table: ReadonlyArray<ReadonlyArray<number | undefined>>
): string => {
  const stateNames = Object.keys(states)
  const eventNames = Object.keys(events)
  const row = (cells: ReadonlyArray<string>) =>
    cells
      .map((cell) => cell.padEnd(14))
      .join("")
      .trimEnd()
  return [
    row(["", ...eventNames]),
    ...stateNames.map((state) =>
      row([
        state,
        ...eventNames.map((event) => {
          const next = table[states[state]][events[event]]
          return next === undefined ? "·" : stateNames[next]
        })
      ])
    )
  ].join("\n")
}

describe("the state machines of a stream", () => {
  it("prints the sending part of RFC 9000 §3.1", () => {
    expect(`\n${print(SendState, SendEvent, sendTransitions)}\n`).toMatchInlineSnapshot(`
      "
                    sendStream    sendFin       sendReset     allAcked      resetAcked
      ready         send          dataSent      resetSent     ·             ·
      send          ·             dataSent      resetSent     ·             ·
      dataSent      ·             ·             resetSent     dataRecvd     ·
      dataRecvd     ·             ·             ·             ·             ·
      resetSent     ·             ·             ·             ·             resetRecvd
      resetRecvd    ·             ·             ·             ·             ·
      "
    `)
  })

  it("prints the receiving part of RFC 9000 §3.2", () => {
    expect(`\n${print(ReceiveState, ReceiveEvent, receiveTransitions)}\n`).toMatchInlineSnapshot(`
      "
                    finReceived   allReceived   resetReceived allRead       resetRead     stopped
      recv          sizeKnown     ·             resetRecvd    ·             ·             ·
      sizeKnown     ·             dataRecvd     resetRecvd    ·             ·             dataRead
      dataRecvd     ·             ·             ·             dataRead      ·             dataRead
      dataRead      ·             ·             ·             ·             ·             ·
      resetRecvd    ·             ·             ·             ·             resetRead     resetRead
      resetRead     ·             ·             ·             ·             ·             ·
      "
    `)
  })

  it("leaves no terminal state, and can always reach one", () => {
    for (const [table, isTerminal] of [
      [sendTransitions, isSendTerminal],
      [receiveTransitions, isReceiveTerminal]
    ] as const) {
      for (let state = 0; state < table.length; state++) {
        const reached = new Set([state])
        for (const from of reached) for (const to of table[from]) if (to !== undefined) reached.add(to)
        expect([...reached].some((each) => isTerminal(each as never))).toBe(true)
        if (isTerminal(state as never)) expect(reached.size).toBe(1)
      }
    }
  })
})
