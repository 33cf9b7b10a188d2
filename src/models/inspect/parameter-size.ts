/** A number of weights as listings write it: "1.1B", "1.7M", "640K". */
export function parameterSize(parameters: number): string {
  if (parameters >= 1e9) return `${(parameters / 1e9).toFixed(1)}B`;
  if (parameters >= 1e6) return `${(parameters / 1e6).toFixed(1)}M`;
  return `${Math.round(parameters / 1e3)}K`;
}
