/** Lines on standard error that are drawn again and again while something goes on, shown only on a terminal. */
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"

const redrawMillis = 100
const eraseRestOfLine = "\x1b[K"
const eraseBelow = "\x1b[J"

/** From the end of a picture of that many lines to where it begins. */
const home = (lines: number): string => (lines < 2 ? "\r" : `\x1b[${lines - 1}A\r`)

/** Runs an effect that prints lines of its own, above the picture. */
export type Above = <A, E, R>(print: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Runs `use` with what `frame` draws in `columns` cells, no line longer than that; it is erased at the end. */
export const pictured = Effect.fnUntraced(function* <A, E, R>(
  frame: (columns: number) => ReadonlyArray<string>,
  use: (above: Above) => Effect.Effect<A, E, R>
): Effect.fn.Return<A, E, R | Stdio.Stdio | Terminal.Terminal> {
  const stdio = yield* Stdio.Stdio
  const { columns } = yield* Terminal.Terminal
  if (!(yield* stdio.stderrIsTerminal)) return yield* use((print) => print)
  let drawn = 1
  const print = (text: string) => Effect.ignore(Stream.run(Stream.make(text), stdio.stderr()))
  const draw = Effect.flatMap(columns, (width) => {
    const lines = frame(width)
    const picture = home(drawn) + lines.map((line) => line + eraseRestOfLine).join("\n") + eraseBelow
    drawn = Math.max(1, lines.length)
    return print(picture)
  })
  const drawing = Effect.forever(Effect.andThen(draw, Effect.sleep(redrawMillis)))
  const erase = Effect.suspend(() => {
    const text = home(drawn) + eraseBelow
    drawn = 1
    return print(text)
  })
  const above: Above = (lines) => Effect.andThen(erase, lines)
  return yield* Effect.ensuring(Effect.raceFirst(use(above), drawing), erase)
})

/** `pictured` around an effect that prints nothing. */
export const withPicture = <A, E, R>(
  frame: (columns: number) => ReadonlyArray<string>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | Stdio.Stdio | Terminal.Terminal> => pictured(frame, () => effect)
