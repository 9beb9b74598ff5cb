// What programs written for the AI SDK (npm `ai`) do by its provider for Ollama (npm `ai-sdk-ollama`), with what each saw
// as JSON on standard output. `able` says what the newest `answer:` of its prompt is; `smollm2` and `eyes` are real models.
import { readFile } from 'node:fs/promises'
import { embed, embedMany, generateObject, generateText, isStepCount, Output, streamObject, streamText, tool } from 'ai'
import { createOllama } from 'ai-sdk-ollama'
import { z } from 'zod'

const [scripted, real, photo] = process.argv.slice(2)
const able = createOllama({ baseURL: scripted })('able')
const ollama = createOllama({ baseURL: real })
const smollm2 = ollama('smollm2')
const seen = {}

const answer = (text) => `answer:${Buffer.from(text).toString('base64')}`
const say = (name, args) => `<tool_call>\n${JSON.stringify({ name, arguments: args })}\n</tool_call>`
const gathered = async (stream) => {
  const parts = []
  for await (const part of stream) parts.push(part)
  return parts
}
const refusal = async (promise) => {
  try {
    await promise
  } catch (error) {
    return error.message
  }
}

// A text, whole and streamed, by a real model and word for word.
const counted = { model: smollm2, prompt: 'Count: one two', temperature: 0, seed: 1, maxOutputTokens: 8, maxRetries: 0 }
const whole = await generateText(counted)
seen.whole = [whole.finishReason, whole.usage.outputTokens, whole.text.length > 0]
const streamed = streamText(counted)
seen.pieces = (await gathered(streamed.textStream)).length
seen.streamed = [await streamed.finishReason, (await streamed.usage).outputTokens]
seen.sameInput = whole.usage.inputTokens === (await streamed.usage).inputTokens
const said = { model: able, system: 'Answer briefly.', prompt: answer('Bo — of course.\n  🦊') }
seen.said = [(await generateText(said)).text, (await gathered(streamText(said).textStream)).join('')]

// Tools, whole and streamed: what is called is run, and its result heard.
const runs = []
const weather = tool({
  description: 'The weather of a city',
  inputSchema: z.object({ city: z.string(), days: z.number().optional() }),
  execute: async ({ city, days }) => (runs.push([city, days ?? null]), `rain ${answer('It rains.')}`),
})
const calls = say('weather', { city: 'Oslo', days: 3 }) + say('weather', { city: 'Rome' })
const agent = { model: able, tools: { weather }, stopWhen: isStepCount(3), prompt: answer(`Let me see.${calls}`) }
const generated = await generateText(agent)
seen.ran = [[generated.text, generated.steps.map((step) => step.text), runs.splice(0)]]
const running = streamText(agent)
await running.consumeStream()
seen.ran.push([await running.text, (await running.steps).map((step) => step.text), runs.splice(0)])

// Structured output from a schema of zod, in each of the SDK's ways.
const schema = z.object({ name: z.enum(['red', 'green', 'blue']), strength: z.number().int().min(0).max(9) })
const named = { ...counted, prompt: 'Name a colour.', maxOutputTokens: 100 }
const partial = streamObject({ ...named, schema })
await gathered(partial.partialObjectStream)
const colours = [
  (await generateObject({ ...named, schema })).object,
  (await generateText({ ...named, output: Output.object({ schema }) })).output,
  await partial.object,
]
seen.colours = colours.map((colour) => schema.safeParse(colour).success)

// Thinking comes apart.
const thoughtful = createOllama({ baseURL: scripted })('able', { think: true })
const thought = { model: thoughtful, prompt: answer('<think>10 and 20…</think>33') }
const reasoned = await generateText(thought)
seen.thoughts = [[reasoned.reasoningText, reasoned.text]]
const reasoning = streamText(thought)
await reasoning.consumeStream()
seen.thoughts.push([await reasoning.reasoningText, await reasoning.text])

// Embeddings, one and several.
const model = ollama.embedding('smollm2')
const { embeddings } = await embedMany({ model, values: ['a cat', 'a dog'] })
const { embedding } = await embed({ model, value: 'a cat' })
seen.lengths = embeddings.map((vector) => vector.length)
seen.farthest = Math.max(...embedding.map((value, at) => Math.abs(value - embeddings[0][at])))

// A picture.
const image = { type: 'file', mediaType: 'image/jpeg', data: await readFile(photo) }
seen.pictures = []
for (const parts of [[], [image]]) {
  const messages = [{ role: 'user', content: [{ type: 'text', text: 'What?' }, ...parts] }]
  seen.pictures.push((await generateText({ model: ollama('eyes'), messages, maxOutputTokens: 2 })).usage.inputTokens)
}

// An error.
seen.missing = await refusal(generateText({ ...counted, model: ollama('nope') }))

console.log(JSON.stringify(seen))
