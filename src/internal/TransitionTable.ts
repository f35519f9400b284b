/** Finite-state machines as data: tables that code executes and tests print. */

/** `table[state][event]` is the next state. An event missing from a row is refused or ignored in that state. */
export type TransitionTable<State extends string, Event extends string> = {
  readonly [S in State]: { readonly [E in Event]?: State }
}

/** The table of a machine whose events are its target states. */
export const moves = <State extends string>(
  rows: {
    readonly [From in State]: ReadonlyArray<State>
  }
): TransitionTable<State, State> => {
  const row = (to: ReadonlyArray<State>) => Object.fromEntries(to.map((state) => [state, state]))
  const entries = Object.entries<ReadonlyArray<State>>(rows).map(([from, to]) => [from, row(to)])
  return Object.fromEntries(entries) as TransitionTable<State, State>
}

/** A state that only changes according to its table. */
export class StateMachine<State extends string> {
  private readonly table: TransitionTable<State, State>
  private current: State

  constructor(table: TransitionTable<State, State>, initial: State) {
    this.table = table
    this.current = initial
  }

  get state(): State {
    return this.current
  }

  /** False, without a change, when the table does not allow it. */
  to(next: State): boolean {
    if (this.table[this.current][next] === undefined) return false
    this.current = next
    return true
  }
}

/** States or events by name, numbered from 0 in order. */
type Numbered<Name extends string> = { readonly [N in Name]: number }

/** The table with numbered states and events, for fast lookups. Events missing from a row change nothing. */
export const numbered = <State extends string, Event extends string, Number extends number>(
  states: Numbered<State> & { readonly [S in State]: Number },
  events: Numbered<Event>,
  table: TransitionTable<State, Event>
): ((state: Number, event: number) => Number) => {
  const stateNames = Object.keys(states) as Array<State>
  const eventNames = Object.keys(events) as Array<Event>
  const width = eventNames.length
  const next = Uint8Array.from(
    stateNames.flatMap((state) => eventNames.map((event) => states[table[state][event] ?? state]))
  )
  return (state, event) => next[state * width + event] as Number
}

/** The table as text, one line per state. */
export const printTable = <State extends string, Event extends string>(
  table: TransitionTable<State, Event>
): string => {
  const rows = Object.entries(table) as Array<[State, { readonly [E in Event]?: State }]>
  const width = Math.max(...rows.map(([state]) => state.length))
  return rows
    .map(([state, row]) => {
      const cells = (Object.entries(row) as Array<[Event, State]>).map(([event, next]) =>
        (event as string) === next ? next : `${event} → ${next}`
      )
      return `${state.padEnd(width)} │ ${cells.length === 0 ? "∅" : cells.join(", ")}`
    })
    .join("\n")
}
