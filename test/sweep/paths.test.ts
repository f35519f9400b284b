import { pathSweeps } from "./paths.ts"
import { itSweeps } from "./itSweeps.ts"

itSweeps(pathSweeps)
