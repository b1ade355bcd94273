/** Entry of the operator's console. */
export {};
