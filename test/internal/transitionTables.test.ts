/** Prints the state machines' tables, so that a change to one shows in this file. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { peerTransitions } from "../../src/actor/peerState.ts"
import { lifecycleTransitions } from "../../src/connection/lifecycle.ts"
import { printTable, StateMachine, type TransitionTable } from "../../src/internal/TransitionTable.ts"
import { bondingTransitions } from "../../src/path/bonding.ts"
import { pathTransitions } from "../../src/path/pathState.ts"
import {
  isReceiveTerminal,
  nextReceiveState,
  ReceiveEvent,
  ReceiveState,
  receiveTransitions
} from "../../src/stream/receiveState.ts"
import {
  isSendTerminal,
  nextSendState,
  SendEvent,
  SendState,
  sendTransitions
} from "../../src/stream/sendState.ts"

type AnyTable = Readonly<Record<string, Readonly<Record<string, string>>>>

describe("the transition table", () => {
  it("of a connection", () => {
    expect(`\n${printTable(lifecycleTransitions)}\n`).toMatchInlineSnapshot(`
      "
      handshaking │ established, closing, draining, closed
      established │ closing, draining, closed
      closing     │ draining, closed
      draining    │ closed
      closed      │ ∅
      "
    `)
  })

  it("of a path", () => {
    expect(`\n${printTable(pathTransitions)}\n`).toMatchInlineSnapshot(`
      "
      created    │ validating, closing, failed
      validating │ validated, closing, failed
      validated  │ active, standby, closing, failed
      active     │ standby, closing, failed
      standby    │ active, closing, failed
      closing    │ failed
      failed     │ ∅
      "
    `)
  })

  it("of the bonding of a connection", () => {
    expect(`\n${printTable(bondingTransitions)}\n`).toMatchInlineSnapshot(`
      "
      singlePath │ pending
      pending    │ singlePath, bonded, degraded
      bonded     │ singlePath, pending, degraded
      degraded   │ singlePath, pending, bonded
      "
    `)
  })

  it("of a peer", () => {
    expect(`\n${printTable(peerTransitions)}\n`).toMatchInlineSnapshot(`
      "
      Idle       │ Connecting, Closed
      Connecting │ Connecting, Connected, Idle, Closed
      Connected  │ Migrating, Connecting, Idle, Closed
      Migrating  │ Connected, Connecting, Idle, Closed
      Closed     │ ∅
      "
    `)
  })

  // RFC 9000 §3.1
  it("of the sending part of a stream", () => {
    expect(`\n${printTable(sendTransitions)}\n`).toMatchInlineSnapshot(`
      "
      ready      │ sendStream → send, sendFin → dataSent, sendReset → resetSent
      send       │ sendFin → dataSent, sendReset → resetSent
      dataSent   │ sendReset → resetSent, allAcked → dataRecvd
      dataRecvd  │ ∅
      resetSent  │ resetAcked → resetRecvd
      resetRecvd │ ∅
      "
    `)
  })

  // RFC 9000 §3.2
  it("of the receiving part of a stream", () => {
    expect(`\n${printTable(receiveTransitions)}\n`).toMatchInlineSnapshot(`
      "
      recv       │ finReceived → sizeKnown, resetReceived → resetRecvd
      sizeKnown  │ allReceived → dataRecvd, resetReceived → resetRecvd, stopped → dataRead
      dataRecvd  │ allRead → dataRead, stopped → dataRead
      dataRead   │ ∅
      resetRecvd │ resetRead, stopped → resetRead
      resetRead  │ ∅
      "
    `)
  })
})

describe("every machine", () => {
  const terminal = (isTerminal: (state: never) => boolean, states: Readonly<Record<string, number>>) =>
    Object.keys(states).filter((name) => isTerminal(states[name] as never))
  const machines: ReadonlyArray<readonly [string, AnyTable, string, ReadonlyArray<string>]> = [
    ["a connection", lifecycleTransitions, "handshaking", ["closed"]],
    ["a path", pathTransitions, "created", ["failed"]],
    ["a peer", peerTransitions, "Idle", ["Closed"]],
    ["sending", sendTransitions, "ready", terminal(isSendTerminal, SendState)],
    ["receiving", receiveTransitions, "recv", terminal(isReceiveTerminal, ReceiveState)]
  ]
  const reach = (table: AnyTable, from: string): ReadonlySet<string> => {
    const reached = new Set([from])
    for (const state of reached) for (const next of Object.values(table[state])) reached.add(next)
    return reached
  }

  it.each(machines)(
    "%s: reaches every state, can end from each, and never leaves a final state",
    (...machine) => {
      const [, table, initial, ends] = machine
      expect([...reach(table, initial)].sort()).toEqual(Object.keys(table).sort())
      for (const state of Object.keys(table)) {
        expect(ends.some((end) => reach(table, state).has(end))).toBe(true)
        expect(Object.keys(table[state]).length === 0).toBe(ends.includes(state))
      }
    }
  )

  it.each(machines.slice(0, 2))(
    "%s: rejects transitions its table does not list, and keeps its state",
    (...of) => {
      const [, table, initial] = of
      const states = fc.array(fc.constantFrom(...Object.keys(table)))
      fc.assert(
        fc.property(states, (wanted) => {
          const machine = new StateMachine(table as TransitionTable<string, string>, initial)
          for (const next of wanted) {
            const before = machine.state
            const legal = Object.values(table[before]).includes(next)
            expect(machine.to(next)).toBe(legal)
            expect(machine.state).toBe(legal ? next : before)
          }
        })
      )
    }
  )

  it("of streams looks up by number what its table lists by name", () => {
    for (const [states, events, table, next] of [
      [SendState, SendEvent, sendTransitions as AnyTable, nextSendState as (s: number, e: number) => number],
      [ReceiveState, ReceiveEvent, receiveTransitions as AnyTable, nextReceiveState as typeof nextSendState]
    ] as ReadonlyArray<
      readonly [
        Record<string, number>,
        Record<string, number>,
        AnyTable,
        (state: number, event: number) => number
      ]
    >)
      for (const [state, number] of Object.entries(states))
        for (const [event, eventNumber] of Object.entries(events))
          expect(next(number, eventNumber)).toBe(states[table[state][event] ?? state])
  })

  it("of a path carries nothing before it is validated", () => {
    const without = Object.fromEntries(
      Object.entries(pathTransitions as AnyTable).map(([state, row]) => [
        state,
        state === "validated" ? {} : row
      ])
    )
    expect([...reach(without, "created")].sort()).toEqual([
      "closing",
      "created",
      "failed",
      "validated",
      "validating"
    ])
  })
})
