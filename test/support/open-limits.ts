/**
 * Settings for a node whose limits are not what a test or a measurement is about: everybody comes from this machine, and
 * would be one greedy stranger.
 *
 * The one place where limits are listed to be switched off; each export says who is not limited by it.
 */

/** No rate per buyer. */
export const NO_BUYER_RATES = Object.freeze({ RATE_BUYER_PER_S: "0", RATE_BUYER_PER_MIN: "0" });

const NO_NEIGHBOUR_RATES = { RATE_IP_PER_S: "0", RATE_NETWORK_PER_S: "0" };
const NO_CROWD_RATES = { RATE_DEVICE_PER_S: "0", RATE_ASN_PER_S: "0" };

/** No limit per buyer, address, network or connection. Limits that are off by themselves stay so. */
export const OPEN_LIMITS = Object.freeze({ ...NO_BUYER_RATES, ...NO_NEIGHBOUR_RATES, CONNECTIONS_PER_IP: "0" });

/** Each buyer is limited as by default, and nothing that buyers from one machine share: where throttling itself is measured. */
export const NO_SHARED_LIMITS = Object.freeze({ ...NO_NEIGHBOUR_RATES, ...NO_CROWD_RATES, CONNECTIONS_PER_IP: "0" });

/** No rate at all; connections are limited as by default. */
export const NO_RATES = Object.freeze({
  ...NO_BUYER_RATES,
  ...NO_NEIGHBOUR_RATES,
  ...NO_CROWD_RATES,
  RATE_SALE_PER_S: "0",
  RATE_TOTAL_PER_S: "0",
});

/** Every limit off. */
export const NO_LIMITS = Object.freeze({ ...NO_RATES, CONNECTIONS_PER_IP: "0" });
