// Numbers, amounts and days as people read them. Decimals come as text and are never put through a float.

const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const cents = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const exact = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 10 });

// The formatter takes decimals as text, exactly; its types say so only where the text is known.
const decimal = (text: string): Intl.StringNumericLiteral => text as Intl.StringNumericLiteral;

export const count = (number: number): string => whole.format(number);
export const amount = (text: string): string => cents.format(decimal(text));
export const number = (text: string | number): string => exact.format(decimal(String(text)));
export const counted = (number: number, one: string, many = `${one}s`): string =>
  `${count(number)} ${number === 1 ? one : many}`;

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** A moment by the clock of a place. */
export const timeIn = (iso: string, timeZone: string): string =>
  new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZone }).format(new Date(iso));

export const date = (iso: string): string => day.format(new Date(`${iso}T00:00:00Z`));
export const time = (iso: string): string => moment.format(new Date(iso));
