"""The client, where the official SDK has it."""

from ._official import Client as Client
from ._official import Groq as Groq
from ._official import Timeout as Timeout
