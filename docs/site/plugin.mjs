/** What TypeDoc does not know of this package. */
import { Comment, Converter, ReflectionKind } from "typedoc"

/** Every error says so, and none needs to say it again. */
const message = "What has failed and why, in one line for people."

const isError = (reflection) =>
  reflection?.kindOf?.(ReflectionKind.Class) === true &&
  (reflection.extendedTypes ?? []).some((type) => /Error/.test(type.toString()))

export const load = (app) => {
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    for (const accessor of project.getReflectionsByKind(ReflectionKind.Accessor | ReflectionKind.Property)) {
      if (accessor.name !== "message" || !isError(accessor.parent)) continue
      const documented = accessor.getSignature ?? accessor
      documented.comment ??= new Comment([{ kind: "text", text: message }])
    }
  })
}
