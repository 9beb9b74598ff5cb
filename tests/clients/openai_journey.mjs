// What programs written for OpenAI's JavaScript library do, with what each saw as JSON on standard output.
// `able` says what the newest `answer:` of its prompt is; `smollm2`, `tooled` and `eyes` are real models.
import { readFile } from 'node:fs/promises'
import OpenAI from 'openai'
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod'
import { z } from 'zod'

const [scripted, real, photo] = process.argv.slice(2)
const to = (url) => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 })
const able = to(scripted)
const openai = to(real)
const seen = {}

const answer = (text) => `answer:${Buffer.from(text).toString('base64')}`
const say = (name, args) => `<tool_call>\n${JSON.stringify({ name, arguments: args })}\n</tool_call>`
const ask = (content) => [{ role: 'user', content }]
const Colour = z.object({ name: z.enum(['red', 'green', 'blue']), strength: z.number().int().min(0).max(9) })
const refusal = async (promise) => {
  try {
    for await (const part of await promise) void part
  } catch (error) {
    return [error.constructor.name, error.status ?? null, error.message]
  }
}

// A chat, whole and streamed.
const hello = { model: 'smollm2', messages: ask('Count: one two'), temperature: 0, seed: 1, max_completion_tokens: 8 }
const whole = await openai.chat.completions.create(hello)
seen.whole = [whole.choices[0].finish_reason, whole.usage.completion_tokens, whole.choices[0].message.content.length > 0]
seen.pieces = 0
for await (const chunk of await openai.chat.completions.create({
  ...hello,
  stream: true,
  stream_options: { include_usage: true },
})) {
  seen.pieces += chunk.choices[0]?.delta.content ? 1 : 0
  seen.usage = chunk.usage
}
seen.usage = [seen.usage.completion_tokens, seen.usage.prompt_tokens === whole.usage.prompt_tokens]
const told = able.chat.completions.stream({ model: 'able', messages: ask(answer('Bo — of course.\n  🦊')) })
seen.said = ''
told.on('content', (delta) => (seen.said += delta))
seen.final = await told.finalContent()

// Tools: the library runs the functions and goes on until there is an answer.
const city = { type: 'object', required: ['city'], properties: { city: { enum: ['Oslo', 'Rome'] } } }
const runs = []
const weather = { type: 'function', function: { name: 'weather', parameters: city } }
const runnable = {
  ...weather,
  function: {
    ...weather.function,
    parse: JSON.parse,
    function: ({ city }) => (runs.push(city), `rain in ${city} ${answer('It rains.')}`),
  },
}
const wanted = answer(`Let me see.${say('weather', { city: 'Oslo' })}${say('weather', { city: 'Rome' })}`)
seen.ran = []
for (const stream of [false, true]) {
  const runner = able.chat.completions.runTools({ model: 'able', messages: ask(wanted), tools: [runnable], stream })
  seen.ran.push([await runner.finalContent(), runs.splice(0)])
}
const forced = await openai.chat.completions.create({
  model: 'tooled',
  messages: ask('Say hello.'),
  tools: [weather],
  tool_choice: 'required',
  temperature: 0,
  max_tokens: 60,
})
seen.forced = forced.choices[0].message.tool_calls.map((call) => Object.keys(JSON.parse(call.function.arguments)))

// Structured output from a schema of zod.
const parsed = await openai.chat.completions.parse({
  model: 'smollm2',
  messages: ask('Name a colour.'),
  response_format: zodResponseFormat(Colour, 'colour'),
  temperature: 0,
  max_tokens: 100,
})
seen.colours = [parsed.choices[0].message.parsed]
const response = await openai.responses.parse({
  model: 'smollm2',
  input: 'Name a colour.',
  text: { format: zodTextFormat(Colour, 'colour') },
  temperature: 0,
  max_output_tokens: 100,
})
seen.colours.push(response.output_parsed)
seen.colours = seen.colours.map((colour) => Colour.safeParse(colour).success)

// Responses that go on, streamed, and deleted.
const brief = { model: 'smollm2', temperature: 0, max_output_tokens: 8 }
const first = await openai.responses.create({ ...brief, input: 'I am Bo.' })
const second = openai.responses.stream({ ...brief, input: 'Who?', previous_response_id: first.id })
const kinds = []
for await (const event of second) if (kinds.at(-1) !== event.type) kinds.push(event.type)
const ended = await second.finalResponse()
seen.kinds = [kinds[0], kinds.includes('response.output_text.delta'), kinds.at(-1) === `response.${ended.status}`]
seen.grew = ended.usage.input_tokens > first.usage.input_tokens
await openai.responses.delete(first.id)
seen.deleted = await refusal(openai.responses.retrieve(first.id))

// Embeddings, which the library asks for in base64.
const { data } = await openai.embeddings.create({ model: 'smollm2', input: ['a cat', 'a dog'] })
const plain = await openai.embeddings.create({ model: 'smollm2', input: 'a cat', encoding_format: 'float' })
seen.lengths = data.map((one) => one.embedding.length)
seen.farthest = Math.max(...plain.data[0].embedding.map((value, at) => Math.abs(value - data[0].embedding[at])))

// A picture.
const url = `data:image/jpeg;base64,${(await readFile(photo)).toString('base64')}`
seen.pictures = []
for (const parts of [[], [{ type: 'image_url', image_url: { url } }]]) {
  const messages = ask([{ type: 'text', text: 'What?' }, ...parts])
  seen.pictures.push((await openai.chat.completions.create({ model: 'eyes', messages, max_tokens: 2 })).usage.prompt_tokens)
}

// Models, errors, and a stream that is left.
seen.models = []
for await (const model of openai.models.list()) seen.models.push(model.id)
seen.missing = await refusal(openai.chat.completions.create({ ...hello, model: 'nope', stream: true }))
seen.broken = await refusal(able.completions.create({ model: 'able', prompt: 'say:hello fail now', stream: true }))
const endless = await openai.chat.completions.create({ model: 'smollm2', messages: ask('Tell me a story.'), stream: true })
for await (const chunk of endless) break
seen.after = (await openai.chat.completions.create(hello)).choices[0].finish_reason

console.log(JSON.stringify(seen))
