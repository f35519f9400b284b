/** A program on the whole terminal: a state, what changes it, and the frame that shows it. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { fullScreen, type Line } from "./FullScreen.ts"

/** What an event makes of the state. */
type Change<State> = (state: State) => State | "quit" | "redraw"

export interface Interactive<State, R> {
  readonly initial: State
  /** Runs beside the screen and changes what is on it. */
  readonly updates: (
    change: (to: (state: State) => State) => Effect.Effect<void>
  ) => Effect.Effect<void, never, R>
  readonly onKey: (state: State, input: Terminal.UserInput) => State | "quit" | "redraw"
  readonly frame: (state: State, size: Terminal.Size) => ReadonlyArray<Line>
}

/** A terminal that does not say how large it is. */
const usualSize: Terminal.Size = { columns: 80, rows: 24 }

const known = ({ columns, rows }: Terminal.Size): Terminal.Size => ({
  columns: columns || usualSize.columns,
  rows: rows || usualSize.rows
})

/** Runs until the user quits. Without a keyboard it goes on until it is interrupted. */
export const interactive = Effect.fnUntraced(function* <State, R>({
  initial,
  updates,
  onKey,
  frame
}: Interactive<State, R>) {
  const terminal = yield* Terminal.Terminal
  const changes = yield* Queue.unbounded<Change<State>>()
  const change = (to: Change<State>): Effect.Effect<void> => Effect.asVoid(Queue.offer(changes, to))
  const screen = yield* fullScreen
  let size = known({ columns: yield* terminal.columns, rows: yield* terminal.rows })
  const onSize = (now: Terminal.Size) =>
    change(() => {
      size = known(now)
      return "redraw"
    })
  const onInput = (input: Terminal.UserInput) => change((state) => onKey(state, input))
  yield* Effect.forkScoped(Stream.runForEach(Stream.fromQueue(yield* terminal.size), onSize))
  yield* Effect.forkScoped(Stream.runForEach(Stream.fromQueue(yield* terminal.readInput), onInput))
  let state = initial
  const show = Effect.gen(function* () {
    for (;;) {
      yield* screen.draw(frame(state, size))
      for (const next of yield* Queue.takeAll(changes)) {
        const changed = next(state)
        if (changed === "quit") return
        if (changed === "redraw") yield* screen.forget
        else state = changed
      }
    }
  })
  // a defect of the updates ends it all, and is reported on the screen the user had before
  yield* Effect.raceFirst(show, Effect.andThen(updates(change), Effect.never))
}, Effect.scoped)
